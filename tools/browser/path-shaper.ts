// Decides when a packet on a simulated path arrives, if it does: rate limit with a bounded queue, then loss, delay,
// jitter. Pure except for its own state.

/** One direction of a path between two tabs. */
export interface PathOptions {
  /** Milliseconds one way. */
  readonly delayMs: number;
  /** Milliseconds that are added at most, drawn uniformly; packets stay in order. Default 0. */
  readonly jitterMs?: number;
  /** Share of packets that are lost, 0 to 1. Default 0. */
  readonly loss?: number;
  /** Bytes a second. Default: no limit. */
  readonly bytesPerSecond?: number;
}

export const DEFAULTS = Object.freeze({
  /** Milliseconds that a packet may wait for the rate limit before it is dropped: the buffer of a home router. */
  queueMs: 300,
});

export class PathShaper {
  #freeMs = 0;
  #lastMs = 0;

  /**
   * Returns when a packet of `bytes` that is sent at `nowMs` arrives, by the same clock; undefined if it is lost.
   * `random` returns numbers in `[0, 1)`.
   */
  arrival(path: PathOptions, bytes: number, nowMs: number, random: () => number): number | undefined {
    const startMs = Math.max(nowMs, this.#freeMs);
    if (startMs - nowMs > DEFAULTS.queueMs) return undefined;
    const sentMs = startMs + (path.bytesPerSecond === undefined ? 0 : (1000 * bytes) / path.bytesPerSecond);
    this.#freeMs = sentMs;
    if (random() < (path.loss ?? 0)) return undefined;
    this.#lastMs = Math.max(this.#lastMs, sentMs + path.delayMs + (path.jitterMs ?? 0) * random());
    return this.#lastMs;
  }
}
