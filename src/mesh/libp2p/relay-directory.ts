// The directory of a relay, over one stream to it. Announces with a heartbeat, keeps the last known swarm, and
// reconnects by itself.
import { decodeSwarm, type PeerAnnouncement } from "../../protocol/directory-frames.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { PROTOCOLS } from "../../protocol/version.ts";
import { isAbort } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorMessage } from "../../shared/errors.ts";
import { Emitter } from "../../shared/events.ts";
import type { Log } from "../../shared/log.ts";
import { backoffMs, RELAY_BACKOFF } from "../../shared/backoff.ts";
import type { Directory, DirectoryEvents, RelayStatus, Swarm } from "../ports/directory.ts";
import type { Link } from "../ports/link.ts";
import type { RelayPort } from "./relay-connection.ts";

export const DEFAULTS = Object.freeze({
  /**
   * Milliseconds between announcements when nothing changes: a third of the time after which the relay drops a peer.
   */
  heartbeatMs: 5000,
  /** Milliseconds between announcements when much changes: the relay accepts ten a second. */
  coalesceMs: 100,
});

export interface RelayDirectoryOptions {
  readonly relay: RelayPort;
  readonly clock: Clock;
  /** In [0, 1), for the jitter. */
  readonly random: () => number;
  readonly log: Log;
}

/** Runs from construction until `stop`. */
export class RelayDirectory implements Directory {
  readonly #options: RelayDirectoryOptions;
  readonly #events = new Emitter<DirectoryEvents>();
  readonly #life = new AbortController();
  readonly #done: Promise<unknown>;
  #swarm: Swarm = { revision: -1, peers: [] };
  #announcement: PeerAnnouncement | undefined;
  #link: Link | undefined;
  /** Wakes the announcing loop. */
  #wake: (() => void) | undefined;
  #dirty = false;

  constructor(options: RelayDirectoryOptions) {
    this.#options = options;
    const stopListening = options.relay.on("relay:changed", (status) => this.#events.emit("relay:changed", status));
    this.#life.signal.addEventListener("abort", stopListening, { once: true });
    this.#done = Promise.all([this.#watch(this.#life.signal), this.#announceAll(this.#life.signal)]);
  }

  get swarm(): Swarm {
    return this.#swarm;
  }

  get relay(): RelayStatus {
    return this.#options.relay.relay;
  }

  on<Name extends keyof DirectoryEvents>(name: Name, listener: (payload: DirectoryEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  announce(announcement: PeerAnnouncement): void {
    this.#announcement = announcement;
    this.#wakeAnnouncer();
  }

  withdraw(): void {
    this.#announcement = undefined;
    this.#wakeAnnouncer();
  }

  async stop(): Promise<void> {
    const link = this.#link;
    this.#life.abort(new Error("the directory has stopped"));
    await link?.close();
    await this.#done;
  }

  /** Keeps one stream open for as long as the relay is connected. */
  async #watch(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#connected(signal);
        const link = await this.#options.relay.openRelay(PROTOCOLS.directory, signal);
        this.#link = link;
        await link.send(encodeFrame({ kind: "watch" }), signal);
        this.#wakeAnnouncer();
        for await (const frame of link.frames) {
          failures = 0;
          this.#received(frame, link);
        }
      } catch (error) {
        if (!isAbort(error, signal)) this.#options.log.debug("the directory's stream ended", { message: errorMessage(error) });
      } finally {
        this.#link = undefined;
      }
      failures++;
      await this.#sleep(backoffMs(RELAY_BACKOFF, failures, this.#options.random()), signal);
    }
  }

  #received(frame: Uint8Array, link: Link): void {
    try {
      const { revision, peers } = decodeSwarm(frame);
      this.#swarm = { revision, peers };
    } catch (error) {
      link.abort(error as Error); // decodeSwarm throws nothing but ManyhandsError
      throw error;
    }
    this.#events.emit("swarm:changed", this.#swarm);
  }

  /** Sends the announcement soon after each change, and as a heartbeat. */
  async #announceAll(signal: AbortSignal): Promise<void> {
    let withdrawn = true;
    while (!signal.aborted) {
      await this.#due(signal);
      const link = this.#link;
      if (link === undefined) continue;
      const announcement = this.#announcement;
      try {
        if (announcement !== undefined) await link.send(encodeFrame({ kind: "announce", announcement }), signal);
        else if (!withdrawn) await link.send(encodeFrame({ kind: "withdraw" }), signal);
        withdrawn = announcement === undefined;
      } catch (error) {
        // The loop in `#watch` sees the same loss, opens a new stream, and wakes this loop.
        this.#options.log.debug("not announced", { message: errorMessage(error) });
      }
      await this.#sleep(DEFAULTS.coalesceMs, signal);
    }
  }

  #wakeAnnouncer(): void {
    this.#dirty = true;
    this.#wake?.();
  }

  /** Resolves when there is something to announce, or a heartbeat is due. */
  async #due(signal: AbortSignal): Promise<void> {
    if (!this.#dirty) {
      const early = new AbortController();
      this.#wake = () => early.abort(new Error("woken"));
      await this.#sleep(DEFAULTS.heartbeatMs, AbortSignal.any([signal, early.signal]));
      this.#wake = undefined;
    }
    this.#dirty = false;
  }

  /** Resolves once the relay is connected. */
  async #connected(signal: AbortSignal): Promise<void> {
    const { relay } = this.#options;
    if (relay.relay.kind === "connected") return;
    await new Promise<void>((resolve, reject) => {
      const finish = (settle: () => void) => (): void => {
        stopListening();
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onAbort = (): void => finish(() => reject(signal.reason as Error))();
      const stopListening = relay.on("relay:changed", (status) => {
        if (status.kind === "connected") finish(resolve)();
      });
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Ends early, without throwing, when the signal aborts. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(ms, signal).catch((error: unknown) => {
      if (!isAbort(error, signal)) throw error;
    });
  }
}
