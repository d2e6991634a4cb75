// The drafts of one answer: what to guess before each lap, and what the lap says of guessing.
import { DraftControl } from "./draft-control.ts";
import { type Draft, DraftLookup } from "./draft-lookup.ts";

const NONE: Draft = Object.freeze({ tokens: [], match: 0 });

export class Drafting {
  readonly #lookup = new DraftLookup();
  readonly #control = new DraftControl();
  #isOn: boolean;

  /** `isOn`: whether to guess at all. */
  constructor(prompt: readonly number[], isOn: boolean) {
    this.#isOn = isOn;
    if (isOn) this.#lookup.push(...prompt);
  }

  /** Takes the next token of the answer. */
  push(token: number): void {
    if (this.#isOn) this.#lookup.push(token);
  }

  /** What to send along with the next step: `room` tokens at most, nothing where it would not pay. */
  next(room: number): Draft {
    if (!this.#isOn || room <= 0) return NONE;
    const { tokens, match } = this.#lookup.propose(Math.min(this.#control.maxTokens, room));
    return { tokens: tokens.slice(0, this.#control.tokens(tokens.length, match)), match };
  }

  /** A lap with `draft` took `lapMs`, and `accepted` of its tokens held. */
  lapped(draft: Draft, accepted: number, lapMs: number): void {
    if (this.#isOn) this.#control.lapped({ drafted: draft.tokens.length, accepted, match: draft.match, lapMs });
  }

  /** This model cannot verify drafts. */
  stop(): void {
    this.#isOn = false;
  }
}
