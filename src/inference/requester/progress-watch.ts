// Looks at the time while steps are under way, and has the route asked when nothing has come of them for too long.
import type { Clock } from "../../shared/clock.ts";
import { LEASE } from "./step-lease.ts";

export interface ProgressWatchDeps {
  readonly clock: Clock;
  /** Aborts when the session is over. */
  readonly signal: AbortSignal;
  /** Milliseconds without a sign after which the route is to be asked; undefined where nothing is under way. */
  readonly askAfterMs: () => number | undefined;
  /** Asks the route; answers whether all of it lives and does nothing. `strikes` counts how often in a row it was so. */
  readonly ask: (strikes: number, signal: AbortSignal) => Promise<boolean>;
}

export class ProgressWatch {
  readonly #deps: ProgressWatchDeps;
  #heardMs = 0;
  #isRunning = false;

  constructor(deps: ProgressWatchDeps) {
    this.#deps = deps;
  }

  /** When the route was last heard of. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** The route gave a sign now. */
  heard(): void {
    this.#heardMs = this.#deps.clock.now();
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
    const { clock, signal, askAfterMs, ask } = this.#deps;
    let strikes = 0;
    while (askAfterMs() !== undefined) {
      await clock.sleep(LEASE.tickMs, signal);
      const afterMs = askAfterMs();
      const heardMs = this.#heardMs;
      if (afterMs === undefined || clock.now() - heardMs < afterMs) continue;
      const isStuck = await ask(strikes + 1, signal);
      strikes = isStuck && this.#heardMs === heardMs ? (strikes + 1) % LEASE.strikes : 0;
      if (this.#heardMs === heardMs) this.heard(); // their word is good for as long again
    }
  }
}
