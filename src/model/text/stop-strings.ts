// Ends an answer at a stop string, which may be spread over several tokens, and never shows a piece of one.

export interface StopStep {
  /** Text that can be shown: no stop string begins in it. */
  readonly text: string;
  /** Whether a stop string was found. `text` ends before it. */
  readonly stopped: boolean;
}

/** Watches one answer. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";

  /** Empty strings are ignored. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  push(text: string): StopStep {
    const all = this.#held + text;
    const found = this.#stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#held = "";
      return { text: all.slice(0, Math.min(...found)), stopped: true };
    }
    const keep = Math.max(0, ...this.#stops.map((stop) => overlap(all, stop)));
    this.#held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), stopped: false };
  }

  /** Returns the text that was held back, to be shown if the answer ends for another reason. */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}

/** Number of characters at the end of `text` that `stop` begins with. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) if (text.endsWith(stop.slice(0, length))) return length;
  return 0;
}
