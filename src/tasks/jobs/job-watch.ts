// What goes on while there is work: somebody is gathered to do it, and what changes is told, not more often than it is of use.
import { type Clock, every } from "../../shared/clock.ts";
import { oncePerTurn } from "../../shared/once-per-turn.ts";
import type { TaskPool } from "./jobs-options.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at who computes. */
  lookMs: 500,
});

export class JobWatch {
  readonly #pool: Pick<TaskPool, "take">;
  readonly #clock: Clock;
  readonly #tell: () => void;
  /** Jobs that are under way. */
  #count = 0;
  #looking = new AbortController();
  /** Something was settled: told once for all that is settled in the same moment. */
  readonly settled = oncePerTurn(() => this.#tell());

  /** `tell`: counts may have changed. */
  constructor(pool: Pick<TaskPool, "take">, clock: Clock, tell: () => void) {
    this.#pool = pool;
    this.#clock = clock;
    this.#tell = tell;
  }

  /** A work is under way, until the answered function is called, once. */
  work(): () => void {
    const release = this.#pool.take();
    if (this.#count++ === 0) {
      this.#looking = new AbortController();
      void every(this.#clock, DEFAULTS.lookMs, this.#looking.signal, this.#tell); // who computes changes without anything being settled
    }
    return () => {
      release();
      if (--this.#count === 0) this.#looking.abort();
    };
  }
}
