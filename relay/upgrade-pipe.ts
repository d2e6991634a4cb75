// Hands WebSocket upgrades of the public port to libp2p's loopback port, and bounds them by the caller's real address.
import type { IncomingMessage, Server } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../src/shared/clock.ts";
import type { Log } from "../src/shared/log.ts";

export const DEFAULTS = Object.freeze({
  /** New connections a second that one address may make for long: a school behind one address opens a page a second or so. */
  perAddressPerSecond: 5,
  /** New connections that one address may make at once: one person who restores a window full of tabs, or a test. */
  perAddressBurst: 100,
  /** Open connections of one address. */
  perAddressOpen: 512,
  /** Open connections in all; above libp2p's own bound the handshake would be for nothing. */
  open: 6144,
  /** Milliseconds without any byte after which a connection is taken for dead: libp2p pings every few seconds. */
  idleMs: 120_000,
});

interface Caller {
  open: number;
  tokens: number;
  atMs: number;
}

export interface UpgradePipeOptions {
  readonly server: Server;
  /** Where libp2p listens on 127.0.0.1. */
  readonly targetPort: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Listens on `server` from construction until `stop`, which cuts all connections. */
export class UpgradePipe {
  readonly #options: UpgradePipeOptions;
  readonly #sockets = new Set<Duplex>();
  readonly #callers = new Map<string, Caller>();

  constructor(options: UpgradePipeOptions) {
    this.#options = options;
    options.server.on("upgrade", this.#onUpgrade);
  }

  get openCount(): number {
    return this.#sockets.size;
  }

  stop(): void {
    this.#options.server.off("upgrade", this.#onUpgrade);
    for (const socket of this.#sockets) socket.destroy();
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => socket.destroy()); // a caller that resets is no event worth a line
    if (request.headers.upgrade?.toLowerCase() !== "websocket") {
      refuse(socket, "400 Bad Request");
      return;
    }
    const address = request.socket.remoteAddress ?? "";
    const caller = this.#admit(address);
    if (caller === undefined) {
      this.#options.log.info("too many connections", { address });
      refuse(socket, "429 Too Many Requests");
      return;
    }
    caller.open++;
    this.#sockets.add(socket);
    socket.once("close", () => {
      caller.open--;
      this.#sockets.delete(socket);
    });
    this.#pipe(request, socket, head);
  };

  #pipe(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target: Socket = connect({ host: "127.0.0.1", port: this.#options.targetPort, noDelay: true });
    const end = (): void => {
      socket.destroy();
      target.destroy();
    };
    target.once("connect", () => {
      target.write(requestHead(request));
      if (head.byteLength > 0) target.write(head);
      socket.pipe(target);
      target.pipe(socket);
    });
    target.on("error", end);
    target.once("close", end);
    target.setTimeout(DEFAULTS.idleMs, end);
    socket.once("close", end);
    request.socket.setNoDelay(true);
    request.socket.setTimeout(0);
  }

  #admit(address: string): Caller | undefined {
    const now = this.#options.clock.now();
    const caller = this.#callers.get(address) ?? { open: 0, tokens: DEFAULTS.perAddressBurst, atMs: now };
    const refill = ((now - caller.atMs) / 1000) * DEFAULTS.perAddressPerSecond;
    caller.tokens = Math.min(DEFAULTS.perAddressBurst, caller.tokens + refill);
    caller.atMs = now;
    this.#callers.set(address, caller);
    this.#forget(now);
    if (this.#sockets.size >= DEFAULTS.open || caller.open >= DEFAULTS.perAddressOpen || caller.tokens < 1) return undefined;
    caller.tokens--;
    return caller;
  }

  /** Forgets addresses that have no connection and a full allowance. */
  #forget(now: number): void {
    if (this.#callers.size < DEFAULTS.open) return;
    const fullMs = (DEFAULTS.perAddressBurst / DEFAULTS.perAddressPerSecond) * 1000;
    for (const [address, caller] of this.#callers) {
      if (caller.open === 0 && now - caller.atMs > fullMs) this.#callers.delete(address);
    }
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** The request line and headers as they came; Node has checked them for line breaks. */
function requestHead(request: IncomingMessage): string {
  const lines = [`${request.method ?? "GET"} ${request.url ?? "/"} HTTP/1.1`];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
