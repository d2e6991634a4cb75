// Counts the jobs that are under way: while there are any, volunteers are held for them, and changes are reported, no
// more often than that is of use.
import { type Clock, every } from "../../shared/clock.ts";
import { oncePerTurn } from "../../shared/once-per-turn.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at how many parts are being computed. */
  lookMs: 500,
});

export class LiveJobs {
  readonly #acquire: () => () => void;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #count = 0;
  #looking = new AbortController();
  /** To be called when a part is settled. All that is settled in one turn is reported once. */
  readonly settled = oncePerTurn(() => this.#onChange());

  /** `acquire` holds volunteers until the function that it returns is called. `onChange`: counts may have changed. */
  constructor(acquire: () => () => void, clock: Clock, onChange: () => void) {
    this.#acquire = acquire;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** A job is under way until the returned function is called, once. */
  begin(): () => void {
    const release = this.#acquire();
    if (this.#count++ === 0) {
      this.#looking = new AbortController();
      void every(this.#clock, DEFAULTS.lookMs, this.#looking.signal, this.#onChange); // parts come to volunteers without any being settled
    }
    return () => {
      release();
      if (--this.#count === 0) this.#looking.abort();
    };
  }
}
