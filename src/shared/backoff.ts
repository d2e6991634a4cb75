// How long to wait before trying again: longer after each failure, never in step with others, and bounded.
import type { Clock } from "./clock.ts";

export interface BackoffRule {
  /** Milliseconds before the second try. Each further pause is twice as long. */
  readonly firstMs: number;
  /** Milliseconds at most, before jitter. */
  readonly mostMs: number;
  /** Share of the pause that is random: 0.5 makes it a quarter shorter to a quarter longer. */
  readonly jitter: number;
}

/**
 * For a relay: one that restarts is back within a second, and a person who brings it back
 * should wait no longer than the last pause.
 */
export const RELAY_BACKOFF: BackoffRule = Object.freeze({ firstMs: 500, mostMs: 15_000, jitter: 0.5 });

/** Milliseconds to wait after `failures` failures in a row, 1 and up. `random` is in [0, 1). */
export function backoffMs({ firstMs, mostMs, jitter }: BackoffRule, failures: number, random: number): number {
  const pauseMs = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 40));
  return pauseMs * (1 + jitter * (random - 0.5));
}

/** The pauses of one caller. `hurry` ends a pause early. */
export class Backoff {
  readonly #clock: Pick<Clock, "sleep">;
  readonly #random: () => number;
  readonly #rule: BackoffRule;
  #failures = 0;
  #early: AbortController | undefined;

  /** `random` is in [0, 1). */
  constructor(clock: Pick<Clock, "sleep">, random: () => number, rule: BackoffRule = RELAY_BACKOFF) {
    this.#clock = clock;
    this.#random = random;
    this.#rule = rule;
  }

  /** Calls `onPause` with the milliseconds of the pause, then waits. Rejects with the signal's reason. */
  async pause(onPause: (retryInMs: number) => void, signal: AbortSignal): Promise<void> {
    const retryInMs = Math.round(backoffMs(this.#rule, ++this.#failures, this.#random()));
    const early = new AbortController();
    this.#early = early;
    onPause(retryInMs);
    try {
      await this.#clock.sleep(retryInMs, AbortSignal.any([signal, early.signal]));
    } catch (error) {
      signal.throwIfAborted();
      if (!early.signal.aborted) throw error;
    }
  }

  /** The last try succeeded: the next pause is the first one again. */
  reset(): void {
    this.#failures = 0;
  }

  /** Ends the pause that runs now, and resets. */
  hurry(): void {
    this.reset();
    this.#early?.abort();
  }
}
