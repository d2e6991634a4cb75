// How often each caller may do something: one token bucket for each key, which a new connection does not refill. Time
// is an argument.

export interface RateLimitOptions {
  /** Tokens a second in the long run. */
  readonly perSecond: number;
  /** Tokens at once: the size of a bucket. */
  readonly burst: number;
}

/** A `Key` is the name of a caller: a peer's id or an address. */
export class RateLimit<Key extends string> {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<Key, { readonly tokens: number; readonly atMs: number }>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Takes one token. Returns false if there is none. `nowMs` never goes back. */
  take(key: Key, nowMs: number): boolean {
    const { perSecond, burst } = this.#options;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    const allowed = tokens >= 1;
    this.#buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    return allowed;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Forgets buckets that are full again. */
  sweep(nowMs: number): void {
    const fullMs = (this.#options.burst / this.#options.perSecond) * 1000;
    for (const [key, bucket] of this.#buckets) if (nowMs - bucket.atMs > fullMs) this.#buckets.delete(key);
  }
}
