// Guesses the next tokens from the text itself: what followed the last time the same few tokens were seen (prompt lookup).
const DEFAULTS = Object.freeze({
  /** Tokens that have to match, at least: single tokens repeat by chance. */
  minMatch: 2,
  /** And at most: longer matches guess no better and cost a map entry a token each. */
  maxMatch: 6,
});

export interface Draft {
  /** Guessed tokens, in order; empty where the text has nothing to say. */
  readonly tokens: readonly number[];
  /** Tokens that matched before the guess. */
  readonly match: number;
}

export interface DraftLookupOptions {
  readonly minMatch?: number;
  readonly maxMatch?: number;
}

/** Remembers prompt and answer so far, and proposes what may come next. A few map entries a token; each call is O(k). */
export class DraftLookup {
  readonly #minMatch: number;
  readonly #maxMatch: number;
  readonly #tokens: number[] = [];
  /** By the tokens of a run, joined: where the run was last followed by something. */
  readonly #after = new Map<string, number>();

  constructor({ minMatch = DEFAULTS.minMatch, maxMatch = DEFAULTS.maxMatch }: DraftLookupOptions = {}) {
    this.#minMatch = minMatch;
    this.#maxMatch = maxMatch;
  }

  /** Tokens that it knows. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Takes the next tokens of the text. */
  push(...tokens: readonly number[]): void {
    for (const token of tokens) {
      const at = this.#tokens.length;
      for (let match = this.#minMatch; match <= Math.min(this.#maxMatch, at); match++) this.#after.set(this.#key(match), at);
      this.#tokens.push(token);
    }
  }

  /**
   * At most `count` tokens after the longest run at the text's end that was seen before; the latest place wins. Where the
   * guess reaches the end of the text it goes on with itself, so that a text that goes round in circles is guessed on.
   */
  propose(count: number): Draft {
    const longest = count > 0 ? Math.min(this.#maxMatch, this.#tokens.length) : 0;
    for (let match = longest; match >= this.#minMatch; match--) {
      const from = this.#after.get(this.#key(match));
      if (from === undefined) continue;
      const tokens: number[] = [];
      const at = (index: number): number =>
        (index < this.#tokens.length ? this.#tokens[index] : tokens[index - this.#tokens.length]) as number; // `from` lies before both ends
      while (tokens.length < count) tokens.push(at(from + tokens.length));
      return { tokens, match };
    }
    return { tokens: [], match: 0 };
  }

  #key(match: number): string {
    return this.#tokens.slice(-match).join(",");
  }
}
