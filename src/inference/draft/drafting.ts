// The drafts of one answer: proposes one before each lap, and learns from the lap whether drafts pay.
import { DraftControl } from "./draft-control.ts";
import { type Draft, DraftLookup } from "./draft-lookup.ts";

export const NO_DRAFT: Draft = Object.freeze({ tokens: [], match: 0 });

export class Drafting {
  readonly #lookup = new DraftLookup();
  readonly #control = new DraftControl();
  #isOn: boolean;

  /** `isOn`: whether to guess at all. */
  constructor(prompt: readonly number[], isOn: boolean) {
    this.#isOn = isOn;
    if (isOn) this.#lookup.push(...prompt);
  }

  /** Adds the next token of the answer. */
  push(token: number): void {
    if (this.#isOn) this.#lookup.push(token);
  }

  /** Returns the guess to send with the next step: `limit` tokens at most, and none if it would not pay. */
  next(limit: number): Draft {
    if (!this.#isOn || limit <= 0) return NO_DRAFT;
    const { tokens, match } = this.#lookup.propose(Math.min(this.#control.maxTokens, limit));
    return { tokens: tokens.slice(0, this.#control.tokens(tokens.length, match)), match };
  }

  /** A lap with `draft` took `lapMs` milliseconds, and `accepted` of its tokens held. */
  lapped(draft: Draft, accepted: number, lapMs: number): void {
    if (this.#isOn) this.#control.lapped({ drafted: draft.tokens.length, accepted, match: draft.match, lapMs });
  }

  /** This model cannot verify drafts. */
  stop(): void {
    this.#isOn = false;
  }
}
