// Decides how many tokens to draft: none where it does not pay, by what laps took and how many guesses held. No clock.
const DEFAULTS = Object.freeze({
  /** Drafted tokens a lap at most. */
  maxTokens: 8,
  /** Plain laps before the first draft, so that there is something to compare with. */
  plainLaps: 2,
  /** Weight of the newest measurement. */
  newest: 0.2,
  /** Drafting has to promise this many times the tokens per millisecond of plain laps: what it is worth is an estimate. */
  margin: 1.05,
  /** Guesses that a match of a new length is given credit for, at the rate of all lengths together. */
  priorGuesses: 2,
  /** What is thought of all of them before the first: guesses, and how many held. */
  prior: { guesses: 2, held: 1 },
  /** Tokens of a probe: before the cost of a row is known, and while drafting is off. */
  probeTokens: 1,
  /** Laps with a guess at hand between probes, first and at most; each probe that fails doubles them. */
  probeEvery: { first: 32, most: 256 },
  /** Share of the answer's time that guesses may lose, all together: less than the 3 % that drafting may ever cost. */
  loss: 0.02,
});

/** What one lap did. */
export interface DraftLap {
  /** Drafted tokens that it carried. */
  readonly drafted: number;
  /** How many of them held. */
  readonly accepted: number;
  /** Length of the match that they came from. */
  readonly match: number;
  /** Milliseconds from sending the step to its logits. */
  readonly lapMs: number;
}

/** Guesses that were checked and guesses that held, fading. */
interface Tally {
  readonly guesses: number;
  readonly held: number;
}

const KEPT = 1 - DEFAULTS.newest / 2;
const add = (tally: Tally, guesses: number, held: number): Tally => ({
  guesses: tally.guesses * KEPT + guesses,
  held: tally.held * KEPT + held,
});

/** Feedback of one answer: ask `tokens` before each lap, tell `lapped` after it. */
export class DraftControl {
  /** By length of the match. */
  readonly #held = new Map<number, Tally>();
  #all: Tally = DEFAULTS.prior;
  #plainLaps = 0;
  #plainMs = 0;
  /** Milliseconds of each drafted row; undefined until one was sent. */
  #rowMs: number | undefined;
  #totalMs = 0;
  /** What drafts cost more than plain laps for the same tokens would have; below 0 where they won. */
  #lostMs = 0;
  #declined = 0;
  #probeEvery: number = DEFAULTS.probeEvery.first;
  readonly #maxTokens: number;

  constructor(maxTokens: number = DEFAULTS.maxTokens) {
    this.#maxTokens = maxTokens;
  }

  /** How many tokens to guess at most: what to ask the lookup for. */
  get maxTokens(): number {
    return this.#maxTokens;
  }

  /** How many of `available` guessed tokens after a match of this length to send; 0 for a plain lap. */
  tokens(available: number, match: number): number {
    const most = Math.min(available, this.#maxTokens);
    if (most <= 0 || this.#plainLaps < DEFAULTS.plainLaps) return 0;
    if (this.#rowMs === undefined) return Math.min(most, DEFAULTS.probeTokens);
    const afforded = Math.min(most, Math.floor((DEFAULTS.loss * this.#totalMs - this.#lostMs) / Math.max(this.#rowMs, Number.EPSILON)));
    const best = this.#best(afforded, this.#chance(match), this.#rowMs);
    if (best > 0) return best;
    this.#declined++;
    return this.#declined % this.#probeEvery === 0 ? Math.max(0, Math.min(afforded, DEFAULTS.probeTokens)) : 0;
  }

  /** Takes one lap of decoding into account; laps of the prompt are not told. */
  lapped({ drafted, accepted, match, lapMs }: DraftLap): void {
    this.#totalMs += lapMs;
    if (drafted === 0) {
      // The first weighs whole, the second half: a mean until the fading one takes over.
      this.#plainLaps++;
      this.#plainMs += (lapMs - this.#plainMs) * Math.max(DEFAULTS.newest, 1 / this.#plainLaps);
      return;
    }
    this.#lostMs += lapMs - (accepted + 1) * this.#plainMs;
    const rowMs = Math.max(0, (lapMs - this.#plainMs) / drafted);
    this.#rowMs = this.#rowMs === undefined ? rowMs : this.#rowMs + (rowMs - this.#rowMs) * DEFAULTS.newest;
    const checked = Math.min(accepted + 1, drafted); // what follows a guess that failed was not checked
    this.#held.set(match, add(this.#tally(match), checked, accepted));
    this.#all = add(this.#all, checked, accepted);
    if (this.#best(drafted, this.#chance(match), this.#rowMs) > 0) this.#probeEvery = DEFAULTS.probeEvery.first;
    else this.#probeEvery = Math.min(2 * this.#probeEvery, DEFAULTS.probeEvery.most);
  }

  /** Probability that a guess after a match of this length holds. */
  #chance(match: number): number {
    const { guesses, held } = this.#tally(match);
    return held / guesses;
  }

  #tally(match: number): Tally {
    const { guesses, held } = this.#all;
    return this.#held.get(match) ?? { guesses: DEFAULTS.priorGuesses, held: (DEFAULTS.priorGuesses * held) / guesses };
  }

  /** The number of drafted tokens with the most tokens per millisecond, or 0. */
  #best(most: number, chance: number, rowMs: number): number {
    let best = 0;
    let rate = DEFAULTS.margin / this.#plainMs;
    let tokens = 1;
    for (let drafted = 1, together = chance; drafted <= most; drafted++, together *= chance) {
      tokens += together;
      const promised = tokens / (this.#plainMs + drafted * rowMs);
      if (promised > rate) [best, rate] = [drafted, promised];
    }
    return best;
  }
}
