// The pause between two tries of something that does not answer: longer each time, cut short when somebody wants it now.
import type { Clock } from "./clock.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds of the first pause: a relay that restarts is back within a second. Each further one is twice as long. */
  firstMs: 500,
  /** Milliseconds at most: a person who brings the relay back should not wait longer than this. */
  lastMs: 15_000,
});

export class RetryPause {
  readonly #clock: Pick<Clock, "sleep">;
  readonly #random: () => number;
  #nextMs: number = DEFAULTS.firstMs;
  #early: AbortController | undefined;

  /** `random` is in [0, 1), for the jitter: a quarter up or down. */
  constructor(clock: Pick<Clock, "sleep">, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Tells how many milliseconds the pause takes, and takes it. Rejects with the signal's reason. */
  async take(onPause: (retryInMs: number) => void, signal: AbortSignal): Promise<void> {
    const retryInMs = Math.round(this.#nextMs * (0.75 + this.#random() / 2));
    this.#nextMs = Math.min(DEFAULTS.lastMs, 2 * this.#nextMs);
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

  /** Somebody asks again: the pause that runs is over, and the next ones are short. */
  hurry(): void {
    this.#nextMs = DEFAULTS.firstMs;
    this.#early?.abort();
  }
}
