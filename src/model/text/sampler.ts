// Chooses the next token from the best candidates of the last span: greedily, or drawn.
// The same seed draws the same tokens.
import { LIMITS } from "../../protocol/version.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { nextFraction, type RandomState, seedRandom } from "./random.ts";

export interface SamplingOptions {
  /** 0 is greedy. */
  readonly temperature: number;
  /** Number of candidates that are kept; 0 keeps all that the last span returns. */
  readonly topK: number;
  /** Nucleus: the smallest set of candidates with at least this probability; 1 keeps all. */
  readonly topP: number;
  /**
   * At least 1, which means no penalty. It divides the positive logits of recent tokens
   * and multiplies their negative ones. Source: CTRL, Keskar et al. 2019.
   */
  readonly repetitionPenalty: number;
}

export interface SamplerOptions extends SamplingOptions {
  /** Any whole number of up to 53 bits. */
  readonly seed: number;
}

/** The best candidates for the next token. */
export interface Candidates {
  /** Token ids by falling logit. */
  readonly ids: Int32Array;
  /** Their logits. */
  readonly values: Float32Array;
  /** log(sum(exp(logit))) over the whole vocabulary. */
  readonly logSumExp: number;
}

/** Draws the tokens of one answer. */
export interface Sampler {
  /** Number of candidates to ask the last span for. */
  readonly candidates: number;
  /** Returns the next token after `history` (token ids, prompt included). Throws ENGINE_FAILED as sampleToken does. */
  next(candidates: Candidates, history: readonly number[]): number;
}

const DEFAULTS = Object.freeze({
  /** Number of last tokens that the repetition penalty looks at: about a paragraph. */
  penaltyWindow: 64,
  /**
   * Candidates asked for when drawing without a top-k: all others together have next to no
   * probability, and these take 2 KB on the wire.
   */
  drawnCandidates: 256,
});

/**
 * The number of candidates that makes the choice exact. Greedy with a penalty: the penalty may push down all tokens of
 * its window, so the winner is among one candidate more than these. Drawing: `topK` candidates after the penalty has
 * reordered them. Without a top-k, the cut at 256 is part of the method.
 */
export function candidatesNeeded(options: SamplingOptions): number {
  const kept = options.temperature === 0 ? 1 : options.topK > 0 ? options.topK : DEFAULTS.drawnCandidates;
  return Math.min(kept + (options.repetitionPenalty === 1 ? 0 : DEFAULTS.penaltyWindow), LIMITS.topLogits);
}

/** Makes a sampler that keeps the generator's state between tokens. Throws BAD_INPUT for options that make no sense. */
export function createSampler(options: SamplerOptions): Sampler {
  checkOptions(options);
  if (!Number.isSafeInteger(options.seed)) throw new ManyhandsError("BAD_INPUT", "The seed has to be a whole number.");
  let state = seedRandom(options.seed);
  return {
    candidates: candidatesNeeded(options),
    next(candidates, history) {
      const drawn = sampleToken(candidates, history, options, state);
      state = drawn.state;
      return drawn.token;
    },
  };
}

/**
 * Makes one choice: penalty, then top-k, then nucleus by true probabilities, then temperature
 * and a draw. Of equal logits the lowest id wins. Pure. Throws BAD_INPUT for options that
 * make no sense, ENGINE_FAILED if there are no candidates or their values are no numbers.
 */
export function sampleToken(
  candidates: Candidates,
  history: readonly number[],
  options: SamplingOptions,
  state: RandomState,
): { readonly token: number; readonly state: RandomState } {
  checkOptions(options);
  checkCandidates(candidates);
  const { ranked, logSumExp } = penalise(candidates, history, options.repetitionPenalty);
  const best = ranked[0] as Ranked; // checkCandidates has checked that there is one
  if (options.temperature === 0) return { token: best.id, state };
  const kept = nucleus(options.topK > 0 ? ranked.slice(0, options.topK) : ranked, options.topP, logSumExp);
  const weights = kept.map(({ logit }) => Math.exp((logit - best.logit) / options.temperature));
  const drawn = nextFraction(state);
  let left = drawn.fraction * weights.reduce((sum, weight) => sum + weight, 0);
  const index = weights.findIndex((weight) => (left -= weight) < 0);
  // Rounding may leave a tiny rest beyond the last weight: it belongs to the last candidate.
  const chosen = kept[index === -1 ? kept.length - 1 : index] as Ranked; // kept is never empty
  return { token: chosen.id, state: drawn.state };
}

interface Ranked {
  readonly id: number;
  readonly logit: number;
}

/** Candidates by falling penalised logit and rising id, and the vocabulary's log-sum-exp after the penalty. */
function penalise(
  candidates: Candidates,
  history: readonly number[],
  penalty: number,
): { readonly ranked: readonly Ranked[]; readonly logSumExp: number } {
  const recent = new Set(penalty === 1 ? [] : history.slice(-DEFAULTS.penaltyWindow));
  let moved = 0;
  const ranked = Array.from(candidates.ids, (id, index): Ranked => {
    const logit = candidates.values[index] as number; // as many values as ids
    if (!recent.has(id)) return { id, logit };
    const lowered = logit > 0 ? logit / penalty : logit * penalty;
    moved += Math.exp(lowered - candidates.logSumExp) - Math.exp(logit - candidates.logSumExp);
    return { id, logit: lowered };
  }).toSorted((a, b) => b.logit - a.logit || a.id - b.id);
  // If the penalty took nearly all of the mass, rounding could leave nothing or less: the
  // candidates' own mass is the least.
  const own = ranked.reduce((sum, { logit }) => sum + Math.exp(logit - candidates.logSumExp), 0);
  return { ranked, logSumExp: candidates.logSumExp + Math.log(Math.max(1 + moved, own, Number.MIN_VALUE)) };
}

/**
 * The shortest head of `ranked` with probability `topP`, at least one candidate; all
 * candidates if they do not reach it.
 */
function nucleus(ranked: readonly Ranked[], topP: number, logSumExp: number): readonly Ranked[] {
  if (topP >= 1) return ranked;
  let mass = 0;
  const last = ranked.findIndex(({ logit }) => (mass += Math.exp(logit - logSumExp)) >= topP);
  return last === -1 ? ranked : ranked.slice(0, last + 1);
}

function checkOptions(options: SamplingOptions): void {
  const { temperature, topK, topP, repetitionPenalty } = options;
  if (!(temperature >= 0 && Number.isFinite(temperature))) throw new ManyhandsError("BAD_INPUT", "The temperature has to be 0 or more.");
  if (!(Number.isSafeInteger(topK) && topK >= 0 && topK <= LIMITS.topLogits))
    throw new ManyhandsError("BAD_INPUT", `Top-k has to be a whole number from 0 to ${LIMITS.topLogits}.`);
  if (!(topP > 0 && topP <= 1)) throw new ManyhandsError("BAD_INPUT", "Top-p has to be more than 0 and at most 1.");
  if (!(repetitionPenalty >= 1 && Number.isFinite(repetitionPenalty)))
    throw new ManyhandsError("BAD_INPUT", "The repetition penalty has to be 1 or more.");
}

function checkCandidates({ ids, values, logSumExp }: Candidates): void {
  if (ids.length === 0) throw new ManyhandsError("ENGINE_FAILED", "The last span returned no candidates for the next token.");
  if (ids.length !== values.length) throw new ManyhandsError("ENGINE_FAILED", "The last span returned candidates without their logits.");
  if (!Number.isFinite(logSumExp) || !values.every(Number.isFinite)) {
    throw new ManyhandsError(
      "ENGINE_FAILED",
      "The model returned values that are no numbers: its weights or the backend that ran them are broken.",
    );
  }
}
