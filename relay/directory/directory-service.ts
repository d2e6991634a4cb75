// The directory over streams: reads announcements, sends the swarm to peers that watch, and cuts streams that break the
// protocol or do not read.
import { type DirectoryRequest, encodeSwarm, readDirectoryRequest } from "../../src/protocol/directory-frames.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { type ErrorCode, errorCode, ManyhandsError } from "../../src/shared/errors.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { Log } from "../../src/shared/log.ts";
import type { Directory } from "./directory.ts";
import { type FrameRecord, frameRecord, PeerFrames } from "../streams/peer-frames.ts";
import type { PeerStream } from "../streams/peer-stream.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of one request. An announcement takes about 250. */
  requestBytes: 4096,
  /** Milliseconds between two pushes at least. A tab that joins causes several changes within a few milliseconds. */
  pushMs: 50,
  /**
   * Milliseconds added for each peer: with thousands of peers, a push follows every few seconds and not 20 times a
   * second.
   */
  pushMsPerPeer: 1,
  /** Milliseconds that a watcher may take to catch up before its stream is cut. */
  watcherStallMs: 15_000,
  /** Milliseconds between two checks for expired peers. */
  expireEveryMs: 1000,
});

interface Client {
  readonly frames: PeerFrames;
  watching: boolean;
  /** The revision that it was sent last, or -1. */
  sent: number;
  /** When it fell too far behind to be sent more. Undefined while it keeps up. */
  stalledMs: number | undefined;
}

export interface DirectoryServiceOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: Log;
}

/** Serves PROTOCOLS.directory. `start` starts the timers, and `stop` ends streams and timers. */
export class DirectoryService {
  readonly #options: DirectoryServiceOptions;
  readonly #clients = new Set<Client>();
  readonly #refused = new Map<ErrorCode | "too-often", number>();
  #frame: { readonly revision: number; readonly record: FrameRecord } | undefined;
  #pushTimer: NodeJS.Timeout | undefined;
  #expireTimer: NodeJS.Timeout | undefined;
  #lastPushMs = Number.NEGATIVE_INFINITY;

  constructor(options: DirectoryServiceOptions) {
    this.#options = options;
  }

  /** How many frames were refused since the start, by reason. */
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
    for (const { frames } of this.#clients) frames.stop();
  }

  /** Drops expired peers, and cuts watchers that stalled. The timer calls this. */
  sweep(): void {
    const now = this.#options.clock.now();
    if (this.#options.directory.expire(now)) this.#changed();
    for (const client of this.#clients) {
      if (client.stalledMs !== undefined && now - client.stalledMs > DEFAULTS.watcherStallMs) {
        this.#options.log.info("a watcher does not read", { peer: client.frames.peer });
        client.frames.abort(new Error("too slow"));
      }
    }
  }

  /** Serves a stream of PROTOCOLS.directory. */
  readonly accept = (stream: PeerStream): void => {
    const frames = new PeerFrames(stream, DEFAULTS.requestBytes, {
      requested: (header) => this.#requested(client, readDirectoryRequest(header)),
      credited: () => {
        if (client.stalledMs !== undefined) this.#push(client);
      },
      broke: (error) => this.#broke(stream.peer, error),
      gone: () => this.#gone(client),
    });
    const client: Client = { frames, watching: false, sent: -1, stalledMs: undefined };
    this.#clients.add(client);
  };

  #requested(client: Client, request: DirectoryRequest): void {
    const { peer } = client.frames;
    switch (request.kind) {
      case "watch":
        client.watching = true;
        this.#push(client);
        return;
      case "withdraw":
        if (this.#options.directory.remove(peer)) this.#changed();
        return;
      case "announce": {
        const result = this.#options.directory.announce(peer, client, request.announcement, this.#options.clock.now());
        if (result === "changed") this.#changed();
        if (result === "too-often") this.#count("too-often");
        if (result === "too-many-peers") throw new ManyhandsError("SESSION_REFUSED", "the directory is full");
        return;
      }
    }
  }

  #gone(client: Client): void {
    if (!this.#clients.delete(client)) return;
    client.watching = false;
    if (this.#options.directory.remove(client.frames.peer, client)) this.#changed();
  }

  #broke(peer: PeerId, error: Error): void {
    const code = errorCode(error) ?? "FRAME_MALFORMED";
    this.#count(code);
    this.#options.log.info("a peer broke the directory protocol", { peer, code, message: error.message });
  }

  #count(reason: ErrorCode | "too-often"): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  /** Sends the swarm to all watchers: at once after a quiet time, otherwise when the interval is over. */
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
    const { frames } = client;
    if (!client.watching || client.sent === directory.revision || !frames.isWritable) return;
    if (frames.isBehind) {
      client.stalledMs ??= clock.now();
      return;
    }
    if (this.#frame?.revision !== directory.revision)
      this.#frame = { revision: directory.revision, record: frameRecord(encodeSwarm(directory.swarm)) };
    client.stalledMs = undefined;
    client.sent = directory.revision;
    frames.send(this.#frame.record);
  }
}
