// What a loop that follows the swarm sleeps on: it wakes on news, or after a quiet time.
import type { Clock } from "../../shared/clock.ts";

export class Waker {
  readonly #clock: Pick<Clock, "sleep">;
  readonly #stopping: AbortSignal;
  #dirty = false;
  #wakeWaiting: () => void = () => {};

  constructor(clock: Pick<Clock, "sleep">, stopping: AbortSignal) {
    this.#clock = clock;
    this.#stopping = stopping;
  }

  wake(): void {
    this.#dirty = true;
    this.#wakeWaiting();
  }

  /** Resolves with true on `wake`, with false after `ms` milliseconds without one. Throws the reason of `stopping`. */
  async woken(ms: number): Promise<boolean> {
    const quiet = new AbortController();
    const woken = new Promise<boolean>((resolve) => {
      this.#wakeWaiting = () => {
        this.#dirty = false;
        resolve(true);
      };
      if (this.#dirty) this.#wakeWaiting();
    });
    try {
      return await Promise.race([woken, this.#clock.sleep(ms, AbortSignal.any([quiet.signal, this.#stopping])).then(() => false)]);
    } finally {
      quiet.abort();
    }
  }
}
