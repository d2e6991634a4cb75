// Decides how many tokens to draft, by the times of laps and by how many guesses held: none if drafts do not pay. No
// clock.
const DEFAULTS = Object.freeze({
  /** The most drafted tokens in a lap. */
  maxTokens: 8,
  /** Plain laps before the first draft, to compare drafts with. */
  plainLaps: 2,
  /** Weight of the newest measurement. */
  newest: 0.2,
  /**
   * Drafting has to promise so many times the tokens per millisecond of plain laps, because its worth is only an
   * estimate.
   */
  margin: 1.05,
  /** A match of a new length counts as so many guesses, of which as many held as over all lengths together. */
  priorGuesses: 2,
  /** The tally to begin with: guesses, and how many of them held. */
  prior: { guesses: 2, held: 1 },
  /** Tokens of a probe: a draft before the cost of a row is known, or while drafting does not pay. */
  probeTokens: 1,
  /** A probe comes every so many laps that had a guess at hand. Each probe that fails doubles them, up to `most`. */
  probeEvery: { first: 32, most: 256 },
  /**
   * Share of the answer's time that guesses may lose, all together. It stays below 3 %, the most that drafting may
   * cost.
   */
  loss: 0.02,
});

/** The figures of one lap of decoding. */
export interface DraftLap {
  /** How many drafted tokens it carried. */
  readonly drafted: number;
  /** How many of them held. */
  readonly accepted: number;
  /** How many tokens matched before the guess. */
  readonly match: number;
  /** Milliseconds from sending the step to its logits. */
  readonly lapMs: number;
}

/** How many guesses were checked and how many held; older ones fade. */
interface Tally {
  readonly guesses: number;
  readonly held: number;
}

const KEPT = 1 - DEFAULTS.newest / 2;
const add = (tally: Tally, guesses: number, held: number): Tally => ({
  guesses: tally.guesses * KEPT + guesses,
  held: tally.held * KEPT + held,
});

/** The feedback of one answer. Call `tokens` before each lap, and `lapped` after it. */
export class DraftControl {
  /** By length of the match. */
  readonly #held = new Map<number, Tally>();
  #all: Tally = DEFAULTS.prior;
  #plainLaps = 0;
  #plainMs = 0;
  /** Milliseconds that each drafted row adds to a lap; undefined until one was sent. */
  #rowMs: number | undefined;
  #totalMs = 0;
  /** How much longer drafts took than plain laps for the same tokens would have; below 0 if drafts were faster. */
  #lostMs = 0;
  #declined = 0;
  #probeEvery: number = DEFAULTS.probeEvery.first;
  readonly #maxTokens: number;

  constructor(maxTokens: number = DEFAULTS.maxTokens) {
    this.#maxTokens = maxTokens;
  }

  /** How many tokens to ask the lookup for. */
  get maxTokens(): number {
    return this.#maxTokens;
  }

  /** Returns how many of `available` guessed tokens to send after a match of this length; 0 for a plain lap. */
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

  /** Learns from one lap of decoding. Laps of the prompt do not count. */
  lapped({ drafted, accepted, match, lapMs }: DraftLap): void {
    this.#totalMs += lapMs;
    if (drafted === 0) {
      // The plain mean of the first laps, and from then on a fading mean.
      this.#plainLaps++;
      this.#plainMs += (lapMs - this.#plainMs) * Math.max(DEFAULTS.newest, 1 / this.#plainLaps);
      return;
    }
    this.#lostMs += lapMs - (accepted + 1) * this.#plainMs;
    const rowMs = Math.max(0, (lapMs - this.#plainMs) / drafted);
    this.#rowMs = this.#rowMs === undefined ? rowMs : this.#rowMs + (rowMs - this.#rowMs) * DEFAULTS.newest;
    const checked = Math.min(accepted + 1, drafted); // guesses after one that failed were not checked
    this.#held.set(match, add(this.#tally(match), checked, accepted));
    this.#all = add(this.#all, checked, accepted);
    if (this.#best(drafted, this.#chance(match), this.#rowMs) > 0) this.#probeEvery = DEFAULTS.probeEvery.first;
    else this.#probeEvery = Math.min(2 * this.#probeEvery, DEFAULTS.probeEvery.most);
  }

  /** Returns the probability that a guess after a match of this length holds. */
  #chance(match: number): number {
    const { guesses, held } = this.#tally(match);
    return held / guesses;
  }

  #tally(match: number): Tally {
    const { guesses, held } = this.#all;
    return this.#held.get(match) ?? { guesses: DEFAULTS.priorGuesses, held: (DEFAULTS.priorGuesses * held) / guesses };
  }

  /**
   * Returns the number of drafted tokens, up to `most`, that promises the most tokens per millisecond; 0 if plain laps
   * do.
   */
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
