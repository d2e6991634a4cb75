// Guesses the next tokens from the text itself: those that followed when the same few tokens were last seen (prompt
// lookup).
const DEFAULTS = Object.freeze({
  /** The fewest tokens that have to match: single tokens repeat by chance. */
  minMatch: 2,
  /** The most tokens that are compared: longer matches guess no better, and each length costs a map entry a token. */
  maxMatch: 6,
});

export interface Draft {
  /** Guessed tokens, in order; empty if nothing in the text repeats. */
  readonly tokens: readonly number[];
  /** How many tokens matched before the guess. */
  readonly match: number;
}

export interface DraftLookupOptions {
  readonly minMatch?: number;
  readonly maxMatch?: number;
}

/**
 * Remembers prompt and answer so far, and proposes the next tokens. A few map entries a token; each call is O(k) in its
 * tokens.
 */
export class DraftLookup {
  readonly #minMatch: number;
  readonly #maxMatch: number;
  readonly #tokens: number[] = [];
  /** By the tokens of a run, joined: the position after the run where it was last followed by a token. */
  readonly #after = new Map<string, number>();

  constructor({ minMatch = DEFAULTS.minMatch, maxMatch = DEFAULTS.maxMatch }: DraftLookupOptions = {}) {
    this.#minMatch = minMatch;
    this.#maxMatch = maxMatch;
  }

  /** How many tokens it knows. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Adds the next tokens of the text. */
  push(...tokens: readonly number[]): void {
    for (const token of tokens) {
      const at = this.#tokens.length;
      for (let match = this.#minMatch; match <= Math.min(this.#maxMatch, at); match++) this.#after.set(this.#key(match), at);
      this.#tokens.push(token);
    }
  }

  /**
   * Proposes `count` tokens that followed the longest run at the text's end when it was last seen; none if nothing
   * repeats. A guess that reaches the end of the text goes on with itself, so that a text that repeats itself is
   * guessed on.
   */
  propose(count: number): Draft {
    const longest = count > 0 ? Math.min(this.#maxMatch, this.#tokens.length) : 0;
    for (let match = longest; match >= this.#minMatch; match--) {
      const from = this.#after.get(this.#key(match));
      if (from === undefined) continue;
      const tokens: number[] = [];
      const at = (index: number): number =>
        (index < this.#tokens.length ? this.#tokens[index] : tokens[index - this.#tokens.length]) as number; // `from` is before both ends
      while (tokens.length < count) tokens.push(at(from + tokens.length));
      return { tokens, match };
    }
    return { tokens: [], match: 0 };
  }

  #key(match: number): string {
    return this.#tokens.slice(-match).join(",");
  }
}
