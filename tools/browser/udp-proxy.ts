// A path between tabs that is as long and as bad as a bench wants it: all packets of their WebRTC connections pass
// through here.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { BrowserContext } from "playwright-core";
import { type PathOptions, PathShaper } from "./path-shaper.ts";
import { REWRITE_BINDING, rewriteCandidates } from "./rewrite-candidates.ts";

/** Flags of the browser whose tabs use the proxy: it must put real addresses into its candidates. */
export const PROXY_FLAGS = Object.freeze(["--disable-features=WebRtcHideLocalIpsWithMdns"]);

const DEFAULTS = Object.freeze({
  /** Bytes of the sockets' buffers: a burst of some hundred packets. */
  bufferBytes: 4 * 1024 * 1024,
  /** Milliseconds before a packet is due from which on the clock is polled: a timer may be late by 1 ms. */
  watchMs: 1.5,
});

export interface UdpProxyOptions {
  /**
   * The path from one tab to another, by the names given to `attach`. It is called for every packet, so a path may
   * change.
   */
  readonly path: (from: string, to: string) => PathOptions;
  /** In `[0, 1)`. */
  readonly random: () => number;
}

/**
 * The proxy's socket for the socket of one tab (`real`). Other tabs see only this one: they send to it and receive from
 * it.
 */
interface ProxySocket {
  readonly real: string;
  readonly socket: Socket;
  readonly shapers: Map<string, PathShaper>;
  /** Name of the tab that talks to `real` through this socket. */
  otherTab: string;
}

interface Packet {
  readonly dueMs: number;
  readonly order: number;
  readonly send: () => void;
}

/**
 * Has a socket of its own for each tab's socket. A packet from tab A that arrives at the socket for B leaves from the
 * socket for A to B. Both sides see only the proxy's sockets, so no candidate that a side learns from a packet bypasses
 * the proxy.
 */
export class UdpProxy {
  /** How many packets were passed on, and how many were lost. */
  passed = 0;
  lost = 0;
  readonly #options: UdpProxyOptions;
  readonly #sockets = new Map<string, Promise<ProxySocket>>();
  readonly #queue: Packet[] = [];
  #order = 0;
  #timer: NodeJS.Timeout | undefined;
  #watching = false;
  #stopped = false;

  constructor(options: UdpProxyOptions) {
    this.#options = options;
  }

  /**
   * Leads all WebRTC connections of the context's tabs through the proxy. Call it before the context loads anything.
   */
  async attach(context: BrowserContext, name: string): Promise<void> {
    await context.exposeFunction(REWRITE_BINDING, async (address: string, port: number) => this.#portFor(address, port, name));
    await context.addInitScript(rewriteCandidates, REWRITE_BINDING);
  }

  /** Resolves with whether `port` is one of the proxy's. */
  async owns(port: number): Promise<boolean> {
    const sockets = await Promise.all(this.#sockets.values());
    return sockets.some(({ socket }) => socket.address().port === port);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const { socket } of await Promise.all(this.#sockets.values())) socket.close();
  }

  /**
   * Resolves with the port of the proxy's socket for a tab's socket; the tab named `otherTab` reaches it at the same
   * address.
   */
  async #portFor(address: string, port: number, otherTab: string): Promise<number> {
    const own = await this.#socketFor(address, port);
    own.otherTab = otherTab;
    return own.socket.address().port;
  }

  #socketFor(address: string, port: number): Promise<ProxySocket> {
    const real = `${address}:${port}`;
    const known = this.#sockets.get(real);
    if (known !== undefined) return known;
    const made = this.#open(real, address);
    this.#sockets.set(real, made);
    return made;
  }

  async #open(real: string, address: string): Promise<ProxySocket> {
    const socket = createSocket({ type: "udp4", recvBufferSize: DEFAULTS.bufferBytes, sendBufferSize: DEFAULTS.bufferBytes });
    // It has the tab's own address, so that the browser uses the same interface as without the proxy.
    socket.bind(0, address);
    await once(socket, "listening");
    const own: ProxySocket = { real, socket, shapers: new Map(), otherTab: "" };
    socket.on("message", (message, from) => void this.#pass(own, message, from));
    socket.on("error", () => {}); // the tab's socket is gone with its tab: packets are lost, as on any network
    return own;
  }

  /** Passes a packet on that arrived at the socket `to`, from the tab that was given that socket. */
  async #pass(to: ProxySocket, message: Buffer, from: RemoteInfo): Promise<void> {
    const nowMs = performance.now();
    const sender = await this.#socketFor(from.address, from.port);
    if (this.#stopped) return;
    const path = this.#options.path(to.otherTab, sender.otherTab);
    let shaper = to.shapers.get(sender.real);
    if (shaper === undefined) to.shapers.set(sender.real, (shaper = new PathShaper()));
    const dueMs = shaper.arrival(path, message.length, nowMs, this.#options.random);
    if (dueMs === undefined) {
      this.lost++;
      return;
    }
    const [address, port] = splitReal(to.real);
    this.#later(dueMs, () => {
      this.passed++;
      sender.socket.send(message, port, address);
    });
  }

  #later(dueMs: number, send: () => void): void {
    const packet: Packet = { dueMs, order: this.#order++, send };
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1]?.dueMs ?? 0) > dueMs) at--;
    this.#queue.splice(at, 0, packet);
    if (at === 0) this.#wait();
  }

  #wait(): void {
    const [next] = this.#queue;
    if (next === undefined || this.#stopped || this.#watching) return;
    clearTimeout(this.#timer);
    const leftMs = next.dueMs - performance.now();
    if (leftMs > DEFAULTS.watchMs) {
      this.#timer = setTimeout(() => this.#wait(), leftMs - DEFAULTS.watchMs);
      return;
    }
    this.#watching = true;
    setImmediate(() => {
      this.#watching = false;
      if (this.#stopped) return;
      while ((this.#queue[0]?.dueMs ?? Infinity) <= performance.now()) this.#queue.shift()?.send();
      this.#wait();
    });
  }
}

function splitReal(real: string): readonly [address: string, port: number] {
  const colon = real.lastIndexOf(":");
  return [real.slice(0, colon), Number(real.slice(colon + 1))];
}
