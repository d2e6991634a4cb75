// Keeps a volunteer to its share of compute: after each task it rests for as long as the share asks.
import type { Clock } from "../../shared/clock.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds of the longest rest: well within a lease. */
  restMs: 2000,
});

export class Pace {
  readonly #clock: Clock;
  readonly #share: () => number;
  #restUntilMs = 0;

  /** `share`: the part of the time that may be computed, 0.1 to 1. */
  constructor(clock: Clock, share: () => number) {
    this.#clock = clock;
    this.#share = share;
  }

  /** Resolves once the share lets the next task begin. Throws the signal's reason. */
  async ready(signal: AbortSignal): Promise<void> {
    const restMs = this.#restUntilMs - this.#clock.now();
    if (restMs > 0) await this.#clock.sleep(restMs, signal);
  }

  /** A task was computed for this many milliseconds. */
  worked(ms: number): void {
    this.#restUntilMs = this.#clock.now() + Math.min(DEFAULTS.restMs, ms * (1 / this.#share() - 1));
  }
}
