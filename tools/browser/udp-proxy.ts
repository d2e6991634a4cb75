// A path between tabs that is as long and as bad as wanted: every packet of their WebRTC connections passes through here.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { BrowserContext } from "playwright-core";
import { type PathOptions, PathShaper } from "./path-shaper.ts";
import { REWRITE_BINDING, rewriteCandidates } from "./rewrite-candidates.ts";

/** The browser has to give real addresses in its candidates, and the proxy's tabs have to be launched with this. */
export const PROXY_FLAGS = Object.freeze(["--disable-features=WebRtcHideLocalIpsWithMdns"]);

const DEFAULTS = Object.freeze({
  /** Bytes of the sockets' buffers: a burst of some hundred packets. */
  bufferBytes: 4 * 1024 * 1024,
  /** Milliseconds before a packet is due in which the clock is watched rather than a timer set: timers are late by up to 1 ms. */
  watchMs: 1.5,
});

export interface UdpProxyOptions {
  /** The path from one tab to another by the names given to `attach`; asked for every packet, so that it can change. */
  readonly path: (from: string, to: string) => PathOptions;
  /** In `[0, 1)`. */
  readonly random: () => number;
}

/** Stands for the socket of one tab (`real`) in the eyes of the tabs that it talks to: its packets come from here and go to here. */
interface Stand {
  readonly real: string;
  readonly socket: Socket;
  readonly shapers: Map<string, PathShaper>;
  /** Name of the tab that talks to `real` through here. */
  asker: string;
}

interface Packet {
  readonly dueMs: number;
  readonly order: number;
  readonly send: () => void;
}

/**
 * One socket stands for each tab's socket. What arrives at B's stand from A's socket leaves from A's stand to B's socket: both
 * sides only ever see stands, so that no candidate that a side learns from a packet leads round the proxy.
 */
export class UdpProxy {
  /** Packets that were passed on, and those that were lost on the way. */
  passed = 0;
  lost = 0;
  readonly #options: UdpProxyOptions;
  readonly #stands = new Map<string, Promise<Stand>>();
  readonly #queue: Packet[] = [];
  #order = 0;
  #timer: NodeJS.Timeout | undefined;
  #watching = false;
  #stopped = false;

  constructor(options: UdpProxyOptions) {
    this.#options = options;
  }

  /** Leads all WebRTC connections of the context's tabs through here. Before anything is loaded in it. */
  async attach(context: BrowserContext, name: string): Promise<void> {
    await context.exposeFunction(REWRITE_BINDING, async (address: string, port: number) => this.#standFor(address, port, name));
    await context.addInitScript(rewriteCandidates, REWRITE_BINDING);
  }

  /** Whether `port` is one of this proxy's. */
  async owns(port: number): Promise<boolean> {
    const stands = await Promise.all(this.#stands.values());
    return stands.some(({ socket }) => socket.address().port === port);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const stand of await Promise.all(this.#stands.values())) stand.socket.close();
  }

  /** Port of the stand for a tab's socket, as the tab named `asker` reaches it at the same address. */
  async #standFor(address: string, port: number, asker: string): Promise<number> {
    const stand = await this.#stand(address, port);
    stand.asker = asker;
    return stand.socket.address().port;
  }

  #stand(address: string, port: number): Promise<Stand> {
    const real = `${address}:${port}`;
    const known = this.#stands.get(real);
    if (known !== undefined) return known;
    const made = this.#open(real, address);
    this.#stands.set(real, made);
    return made;
  }

  async #open(real: string, address: string): Promise<Stand> {
    const socket = createSocket({ type: "udp4", recvBufferSize: DEFAULTS.bufferBytes, sendBufferSize: DEFAULTS.bufferBytes });
    // At the tab's own address: the browser then sends over the same interface as without the proxy.
    socket.bind(0, address);
    await once(socket, "listening");
    const stand: Stand = { real, socket, shapers: new Map(), asker: "" };
    socket.on("message", (message, from) => void this.#pass(stand, message, from));
    socket.on("error", () => {}); // the socket behind went away with its tab: packets are lost, as on any network
    return stand;
  }

  /** `to` is whom the packet was meant for; it comes from the tab that asked for that stand. */
  async #pass(to: Stand, message: Buffer, from: RemoteInfo): Promise<void> {
    const nowMs = performance.now();
    const sender = await this.#stand(from.address, from.port);
    if (this.#stopped) return;
    const path = this.#options.path(to.asker, sender.asker);
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
