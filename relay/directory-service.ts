// The directory over streams: reads what peers announce, sends the swarm to whoever watches, lets go of garbage and laggards.
import { type DirectoryRequest, readDirectoryRequest } from "../src/protocol/directory-frames.ts";
import { decodeFrame } from "../src/protocol/frame.ts";
import { encodeCredit, encodeGoodbye, encodeLinkFrame, frameCost, LINK, LinkFrameReader } from "../src/protocol/link-frames.ts";
import { encodeSwarm } from "../src/protocol/swarm-payload.ts";
import type { Clock } from "../src/shared/clock.ts";
import { type ErrorCode, errorCode, ManyhandsError } from "../src/shared/errors.ts";
import type { Log } from "../src/shared/log.ts";
import type { Directory } from "./directory.ts";
import type { PeerStream } from "./peer-stream.ts";

export const DEFAULTS = Object.freeze({
  /** Bytes of one request: an announcement takes about 250. */
  requestBytes: 4096,
  /** Milliseconds between two pushes at least: a tab that joins causes several changes within a few milliseconds. */
  pushMs: 50,
  /** Milliseconds added for each peer: with thousands, the swarm goes out every few seconds rather than 20 times a second. */
  pushMsPerPeer: 1,
  /** Milliseconds that a watcher may take to catch up before its stream is cut. */
  watcherStallMs: 15_000,
  /** Milliseconds between looks for expired peers. */
  expireEveryMs: 1000,
});

interface Client {
  readonly stream: PeerStream;
  watching: boolean;
  /** Revision that it was sent last; -1 for none. */
  sent: number;
  /** Cost of what it was sent and has not credited. */
  underWay: number;
  /** Since when it has been too far behind to be sent to; undefined while it keeps up. */
  stalledMs: number | undefined;
}

export interface DirectoryServiceOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: Log;
}

/** Serves PROTOCOLS.directory; `start` begins the timers, `stop` ends streams and timers. */
export class DirectoryService {
  readonly #options: DirectoryServiceOptions;
  readonly #clients = new Set<Client>();
  readonly #refused = new Map<ErrorCode | "too-often", number>();
  #frame: { readonly revision: number; readonly cost: number; readonly record: Uint8Array<ArrayBuffer> } | undefined;
  #pushTimer: NodeJS.Timeout | undefined;
  #expireTimer: NodeJS.Timeout | undefined;
  #lastPushMs = Number.NEGATIVE_INFINITY;

  constructor(options: DirectoryServiceOptions) {
    this.#options = options;
  }

  /** Frames refused since the start, by reason. */
  get refused(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refused);
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  start(): void {
    this.#expireTimer = setInterval(() => this.sweep(), DEFAULTS.expireEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#expireTimer);
    clearTimeout(this.#pushTimer);
    for (const { stream } of this.#clients) {
      if (stream.writable) stream.send(encodeGoodbye());
      stream.abort(new Error("the relay stops"));
    }
  }

  /** Drops expired peers and cuts watchers that stalled: what the timer does. */
  sweep(): void {
    const now = this.#options.clock.now();
    if (this.#options.directory.expire(now)) this.#changed();
    for (const client of this.#clients) {
      if (client.stalledMs !== undefined && now - client.stalledMs > DEFAULTS.watcherStallMs) {
        this.#options.log.info("a watcher does not read", { peer: client.stream.peer });
        client.stream.abort(new Error("too slow"));
      }
    }
  }

  /** Takes a stream of PROTOCOLS.directory. */
  readonly accept = (stream: PeerStream): void => {
    const client: Client = { stream, watching: false, sent: -1, underWay: 0, stalledMs: undefined };
    this.#clients.add(client);
    const reader = new LinkFrameReader(
      {
        frame: (frame) => this.#requested(client, frame),
        credit: (sizeBytes) => this.#credited(client, sizeBytes),
        goodbye: () => this.#left(client),
      },
      DEFAULTS.requestBytes,
    );
    stream.listen({
      bytes: (chunk) => {
        if (!this.#clients.has(client)) return; // a breach earlier in the same message
        try {
          reader.push(chunk);
        } catch (error) {
          this.#breach(client, error as Error); // reader and schemas throw nothing but ManyhandsError
        }
      },
      ended: () => this.#left(client),
      closed: () => this.#gone(client),
    });
  };

  #requested(client: Client, bytes: Uint8Array): void {
    const request: DirectoryRequest = readDirectoryRequest(decodeFrame(bytes).header);
    if (client.stream.writable) client.stream.send(encodeCredit(frameCost(bytes.byteLength)));
    switch (request.kind) {
      case "watch":
        client.watching = true;
        this.#push(client);
        return;
      case "withdraw":
        if (this.#options.directory.remove(client.stream.peer)) this.#changed();
        return;
      case "announce": {
        const result = this.#options.directory.announce(client.stream.peer, client, request.announcement, this.#options.clock.now());
        if (result === "changed") this.#changed();
        if (result === "too-often") this.#count("too-often");
        if (result === "too-many-peers") throw new ManyhandsError("SESSION_REFUSED", "the directory is full");
        return;
      }
    }
  }

  #credited(client: Client, sizeBytes: number): void {
    client.underWay = Math.max(0, client.underWay - sizeBytes);
    if (client.stalledMs !== undefined) this.#push(client);
  }

  /** The peer closed its side in good order. */
  #left(client: Client): void {
    this.#gone(client);
    if (client.stream.writable) client.stream.send(encodeGoodbye());
    client.stream.close();
  }

  #gone(client: Client): void {
    if (!this.#clients.delete(client)) return;
    client.watching = false;
    if (this.#options.directory.remove(client.stream.peer, client)) this.#changed();
  }

  #breach(client: Client, error: Error): void {
    const code = errorCode(error) ?? "FRAME_MALFORMED";
    this.#count(code);
    this.#options.log.info("a peer broke the directory protocol", { peer: client.stream.peer, code, message: error.message });
    client.stream.abort(error);
  }

  #count(reason: ErrorCode | "too-often"): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  /** Sends the swarm to everyone soon: at once after a quiet time, else when the interval is over. */
  #changed(): void {
    if (this.#pushTimer !== undefined) return;
    const intervalMs = DEFAULTS.pushMs + this.#options.directory.swarm.peers.length * DEFAULTS.pushMsPerPeer;
    const waitMs = Math.max(0, this.#lastPushMs + intervalMs - this.#options.clock.now());
    this.#pushTimer = setTimeout(() => {
      this.#pushTimer = undefined;
      this.#lastPushMs = this.#options.clock.now();
      for (const client of this.#clients) this.#push(client);
    }, waitMs).unref();
  }

  #push(client: Client): void {
    const { directory, clock } = this.#options;
    if (!client.watching || client.sent === directory.revision || !client.stream.writable) return;
    const behind = client.underWay >= LINK.windowBytes || client.stream.full;
    if (behind) {
      client.stalledMs ??= clock.now();
      return;
    }
    if (this.#frame?.revision !== directory.revision) {
      const frame = encodeSwarm(directory.swarm);
      this.#frame = { revision: directory.revision, cost: frameCost(frame.byteLength), record: encodeLinkFrame(frame) };
    }
    client.stalledMs = undefined;
    client.sent = directory.revision;
    client.underWay += this.#frame.cost;
    client.stream.send(this.#frame.record);
  }
}
