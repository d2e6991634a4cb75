// Looks at the time while steps are under way, and has the route asked when nothing has come back for too long.
import type { Clock } from "../../shared/clock.ts";
import { LEASE } from "./step-lease.ts";

export interface ProgressWatchOptions {
  readonly clock: Clock;
  /** Aborts when the session is over. */
  readonly signal: AbortSignal;
  /** Milliseconds without a sign after which the route is to be asked; undefined if nothing is under way. */
  readonly askAfterMs: () => number | undefined;
  /** Asks the route; returns whether all of it lives and is idle. `strikes` counts how often in a row that was so. */
  readonly ask: (strikes: number, signal: AbortSignal) => Promise<boolean>;
}

export class ProgressWatch {
  readonly #options: ProgressWatchOptions;
  #heardMs = 0;
  #isRunning = false;

  constructor(options: ProgressWatchOptions) {
    this.#options = options;
  }

  /** When the route last gave a sign, in milliseconds of the clock. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** The route has given a sign now. */
  heard(): void {
    this.#heardMs = this.#options.clock.now();
  }

  /** Watches until nothing is under way. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#run()
      .catch(() => {}) // the session is over
      .finally(() => (this.#isRunning = false));
  }

  async #run(): Promise<void> {
    const { clock, signal, askAfterMs, ask } = this.#options;
    let strikes = 0;
    while (askAfterMs() !== undefined) {
      await clock.sleep(LEASE.tickMs, signal);
      const afterMs = askAfterMs();
      const heardMs = this.#heardMs;
      if (afterMs === undefined || clock.now() - heardMs < afterMs) continue;
      const isStuck = await ask(strikes + 1, signal);
      strikes = isStuck && this.#heardMs === heardMs ? (strikes + 1) % LEASE.strikes : 0;
      if (this.#heardMs === heardMs) this.heard(); // the hops live, which is good for as long again
    }
  }
}
