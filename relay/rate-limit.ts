// How often each peer may ask: a bucket of tokens for every peer, which no new stream fills up. Time is an argument.
import type { PeerId } from "../src/shared/ids.ts";

export interface RateLimitOptions {
  /** Requests a second for long. */
  readonly perSecond: number;
  /** Requests at once. */
  readonly burst: number;
}

export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<PeerId, { readonly tokens: number; readonly atMs: number }>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Takes one token; false where there is none. `nowMs` never goes back. */
  take(peer: PeerId, nowMs: number): boolean {
    const { perSecond, burst } = this.#options;
    const bucket = this.#buckets.get(peer) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    const allowed = tokens >= 1;
    this.#buckets.set(peer, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    return allowed;
  }

  /** Forgets buckets that are full again. */
  sweep(nowMs: number): void {
    const fullMs = (this.#options.burst / this.#options.perSecond) * 1000;
    for (const [peer, bucket] of this.#buckets) if (nowMs - bucket.atMs > fullMs) this.#buckets.delete(peer);
  }
}
