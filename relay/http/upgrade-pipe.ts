// Pipes WebSocket connections from the public port to libp2p's loopback port, and bounds them by their real addresses.
import type { IncomingMessage, Server } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../src/shared/clock.ts";
import type { Log } from "../../src/shared/log.ts";
import { RateLimit } from "../rate-limit.ts";

const DEFAULTS = Object.freeze({
  /**
   * New connections a second from one address in the long run. A school behind one address opens about one page a
   * second.
   */
  perAddressPerSecond: 5,
  /** New connections from one address at once: a person who restores a window full of tabs, or a test. */
  perAddressBurst: 100,
  /** Open connections from one address. */
  perAddressOpen: 512,
  /** Open connections in all. Above libp2p's own bound a handshake would be in vain. */
  open: 6144,
  /** Milliseconds without a byte after which a connection is taken for dead. libp2p pings every few seconds. */
  idleMs: 120_000,
});

export interface UpgradePipeOptions {
  readonly server: Server;
  /** Where libp2p listens on 127.0.0.1. */
  readonly targetPort: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Accepts upgrades of `server` from construction until `stop`, which cuts all connections. */
export class UpgradePipe {
  readonly #options: UpgradePipeOptions;
  readonly #sockets = new Set<Duplex>();
  /** Open connections by address. */
  readonly #open = new Map<string, number>();
  readonly #rates = new RateLimit<string>({ perSecond: DEFAULTS.perAddressPerSecond, burst: DEFAULTS.perAddressBurst });

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
    socket.on("error", () => socket.destroy()); // a client that resets its connection is not worth a line in the log
    if (request.headers.upgrade?.toLowerCase() !== "websocket") {
      refuse(socket, "400 Bad Request");
      return;
    }
    const address = request.socket.remoteAddress ?? "";
    if (!this.#admit(address)) {
      this.#options.log.info("too many connections", { address });
      refuse(socket, "429 Too Many Requests");
      return;
    }
    this.#open.set(address, this.#openOf(address) + 1);
    this.#sockets.add(socket);
    socket.once("close", () => {
      const left = this.#openOf(address) - 1;
      if (left > 0) this.#open.set(address, left);
      else this.#open.delete(address);
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

  #openOf(address: string): number {
    return this.#open.get(address) ?? 0;
  }

  #admit(address: string): boolean {
    const nowMs = this.#options.clock.now();
    if (this.#rates.size >= DEFAULTS.open) this.#rates.sweep(nowMs);
    const isBelowLimits = this.#sockets.size < DEFAULTS.open && this.#openOf(address) < DEFAULTS.perAddressOpen;
    return isBelowLimits && this.#rates.take(address, nowMs);
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Returns the request line and the headers as they came. Node has checked them for line breaks. */
function requestHead(request: IncomingMessage): string {
  const lines = [`${request.method ?? "GET"} ${request.url ?? "/"} HTTP/1.1`];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
