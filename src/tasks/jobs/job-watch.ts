// What goes on while there is work: somebody is gathered to do it, and what changes is told, not more often than it is of use.
import { type Clock, every } from "../../shared/clock.ts";
import { oncePerTurn } from "../../shared/once-per-turn.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at who computes. */
  lookMs: 500,
});

export class JobWatch {
  readonly #acquire: () => () => void;
  readonly #clock: Clock;
  readonly #tell: () => void;
  /** Jobs that are under way. */
  #count = 0;
  #looking = new AbortController();
  /** Something was settled: told once for all that is settled in the same moment. */
  readonly settled = oncePerTurn(() => this.#tell());

  /** `acquire`: holds volunteers for a job until the returned function is called. `tell`: counts may have changed. */
  constructor(acquire: () => () => void, clock: Clock, tell: () => void) {
    this.#acquire = acquire;
    this.#clock = clock;
    this.#tell = tell;
  }

  /** A work is under way, until the answered function is called, once. */
  work(): () => void {
    const release = this.#acquire();
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
