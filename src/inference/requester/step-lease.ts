// How long a step may stay without a sign before its route is asked, and how long a busy peer may take to reply: both
// follow from measurements. No clock.
import type { SpanTiming } from "../../protocol/session-frames.ts";

export const LEASE = Object.freeze({
  /** Milliseconds between two looks at the time. */
  tickMs: 50,
  /** A step is asked about after so many times the time that one like it took. */
  patience: 8,
  /** Milliseconds after which a step is asked about at the earliest: asking costs a frame to each peer. */
  floorMs: 250,
  /** Milliseconds after which a step is asked about at the latest. */
  capMs: 5_000,
  /** Milliseconds in which an idle peer must give a sign of life. */
  aliveMs: 550,
  /** The same for a peer whose speed is not known yet: it may compute its first chunk on a slow machine, cold. */
  unknownMs: 6_000,
  /** Milliseconds after which a step is asked about while nothing was measured yet. */
  firstMs: 1_000,
  /** Milliseconds that no peer may take, whatever was measured of it. */
  aliveCapMs: 30_000,
  /** How often in a row all peers may live and be idle before a link between them is taken for dead. */
  strikes: 2,
  /** A peer may compute so many times as long as measured before it counts as silent. */
  slack: 4,
  /** A replacement counts as so many times as slow as the peer before it, until it is measured. */
  stranger: 4,
});

/** Measurements of one session's steps. */
export class StepLease {
  #lapMsPerPosition = 0;
  #decodeMs = 0;
  /** Milliseconds that each span needs for a position, by the layer that it starts at: the slowest of late. */
  readonly #spanMs = new Map<number, number>();
  #largestCount = 1;

  /** A step of `count` positions is on its way. */
  sent(count: number): void {
    this.#largestCount = Math.max(this.#largestCount, count);
  }

  /** A step of `count` positions came back after `ms` milliseconds. */
  completed(count: number, ms: number, timings: readonly SpanTiming[]): void {
    if (count === 1) this.#decodeMs = this.#decodeMs === 0 ? ms : 0.8 * this.#decodeMs + 0.2 * ms;
    else this.#lapMsPerPosition = Math.max(this.#lapMsPerPosition, ms / count);
    for (const { start, computeMs, waitMs } of timings)
      this.#spanMs.set(start, Math.max(0.7 * (this.#spanMs.get(start) ?? 0), (computeMs + waitMs) / count));
  }

  /** The span that starts at layer `start` has another peer now, which may be slower than the one that was measured. */
  replaced(start: number): void {
    const ms = this.#spanMs.get(start);
    if (ms !== undefined) this.#spanMs.set(start, LEASE.stranger * ms);
  }

  /** Milliseconds without a sign after which a step of `count` positions is asked about. */
  askAfterMs(count: number): number {
    const expected = count === 1 ? this.#decodeMs : this.#lapMsPerPosition * count;
    return expected === 0 ? LEASE.firstMs : Math.min(LEASE.capMs, Math.max(LEASE.floorMs, LEASE.patience * expected));
  }

  /** Positions of the largest step so far: a hop that replays may be in the middle of one such step. */
  get largestCount(): number {
    return this.#largestCount;
  }

  /**
   * Milliseconds in which the span that starts at layer `start` must give a sign of life, since it may be in the middle
   * of a step of `count` positions.
   */
  aliveMs(start: number, count: number): number {
    const perPosition = this.#spanMs.get(start);
    if (perPosition === undefined) return LEASE.unknownMs;
    return Math.min(LEASE.aliveCapMs, LEASE.aliveMs + LEASE.slack * perPosition * count);
  }
}
