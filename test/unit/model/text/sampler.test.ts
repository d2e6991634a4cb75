// Sampling: tables for the meaning of each setting, and properties compared with the whole vocabulary.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextFraction, type RandomState, seedRandom } from "../../../../src/model/text/random.ts";
import { type Candidates, candidatesNeeded, createSampler, sampleToken, type SamplingOptions } from "../../../../src/model/text/sampler.ts";
import { errorCode } from "../../../../src/shared/errors.ts";

const PLAIN: SamplingOptions = { temperature: 1, topK: 0, topP: 1, repetitionPenalty: 1 };
const GREEDY: SamplingOptions = { ...PLAIN, temperature: 0 };

/** The best `count` of a whole vocabulary's logits, as the last span would return them. */
function best(logits: readonly number[], count = logits.length): Candidates {
  const order = logits.map((_, id) => id).toSorted((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  const ids = Int32Array.from(order.slice(0, count));
  const max = Math.max(...logits);
  return {
    ids,
    values: Float32Array.from(ids, (id) => logits[id] ?? 0),
    logSumExp: max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0)),
  };
}

/** How often each token is drawn. */
function counts(candidates: Candidates, options: SamplingOptions, draws = 4000, history: readonly number[] = []): Map<number, number> {
  const found = new Map<number, number>();
  let state: RandomState = seedRandom(11);
  for (let draw = 0; draw < draws; draw++) {
    const next = sampleToken(candidates, history, options, state);
    state = next.state;
    found.set(next.token, (found.get(next.token) ?? 0) + 1);
  }
  return found;
}

/** The tokens that were drawn at all. */
const drawn = (found: ReadonlyMap<number, number>): number[] => [...found.keys()].toSorted((a, b) => a - b);

const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return errorCode(error) ?? String(error);
  }
};

describe("greedy", () => {
  test("chooses the highest logit, and of equals the lowest id, in any order of candidates", () => {
    expect(sampleToken(best([1, 5, 5, 2]), [], GREEDY, seedRandom(1)).token).toBe(1);
    const shuffled = { ids: Int32Array.of(9, 3, 7), values: Float32Array.of(2, 2, 2), logSumExp: 4 };
    expect(sampleToken(shuffled, [], GREEDY, seedRandom(1)).token).toBe(3);
  });

  test("draws nothing: the generator's state stays the same", () => {
    const state = seedRandom(5);
    expect(sampleToken(best([1, 2]), [], GREEDY, state).state).toBe(state);
  });

  test("with a penalty gives the same from the candidates as from the whole vocabulary", () => {
    const logit = fc.double({ min: -20, max: 20, noNaN: true }).map(Math.fround);
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 100, maxLength: 200 }),
        fc.array(fc.nat(99), { maxLength: 150 }),
        fc.double({ min: 1, max: 3, noNaN: true }),
        (logits, history, repetitionPenalty) => {
          const options = { ...GREEDY, repetitionPenalty };
          const recent = new Set(history.slice(-64));
          const penalised = logits.map((value, id) =>
            !recent.has(id) ? value : value > 0 ? value / repetitionPenalty : value * repetitionPenalty,
          );
          const winner = penalised.indexOf(Math.max(...penalised));
          expect(sampleToken(best(logits, candidatesNeeded(options)), history, options, seedRandom(1)).token).toBe(winner);
        },
      ),
    );
  });
});

describe("drawing", () => {
  test("follows the probabilities", () => {
    const found = counts(best([Math.log(6), Math.log(3), Math.log(1)]), PLAIN);
    expect((found.get(0) ?? 0) / 4000).toBeCloseTo(0.6, 1);
    expect((found.get(1) ?? 0) / 4000).toBeCloseTo(0.3, 1);
    expect((found.get(2) ?? 0) / 4000).toBeCloseTo(0.1, 1);
  });

  test("is steeper when cold and flatter when hot", () => {
    const share = (temperature: number): number => (counts(best([1, 0]), { ...PLAIN, temperature }).get(0) ?? 0) / 4000;
    expect(share(0.5)).toBeCloseTo(1 / (1 + Math.exp(-2)), 1);
    expect(share(2)).toBeCloseTo(1 / (1 + Math.exp(-0.5)), 1);
  });

  test("top-k keeps k, after the penalty has reordered", () => {
    const candidates = best([4, 3.9, 3.8, 3.7]);
    expect(drawn(counts(candidates, { ...PLAIN, topK: 2 }))).toEqual([0, 1]);
    expect(drawn(counts(candidates, { ...PLAIN, topK: 2, repetitionPenalty: 2 }, 500, [0]))).toEqual([1, 2]);
    expect([...counts(candidates, { ...PLAIN, topK: 1 }).keys()]).toEqual([0]);
  });

  test("the nucleus goes by probabilities in the whole vocabulary, not among the candidates", () => {
    // 0.4, 0.3, 0.2, 0.1: of the two candidates alone the first would be 57 %.
    const logits = [0.4, 0.3, 0.2, 0.1].map(Math.log);
    expect(drawn(counts(best(logits, 2), { ...PLAIN, topP: 0.5 }))).toEqual([0, 1]);
    expect([...counts(best(logits), { ...PLAIN, topP: 0.35 }).keys()]).toEqual([0]);
    expect(drawn(counts(best(logits), { ...PLAIN, topP: 0.75 }))).toEqual([0, 1, 2]);
    expect(drawn(counts(best(logits, 2), { ...PLAIN, topP: 0.99 }))).toEqual([0, 1]);
  });

  test("the penalty reaches 64 tokens back and no further", () => {
    const candidates = best([5, 4.9]);
    const options = { ...GREEDY, repetitionPenalty: 1.5 };
    const filler = Array.from({ length: 64 }, () => 7);
    expect(sampleToken(candidates, [0, ...filler.slice(1)], options, seedRandom(1)).token).toBe(1);
    expect(sampleToken(candidates, [0, ...filler], options, seedRandom(1)).token).toBe(0);
  });

  test("the same seed draws the same tokens, another seed other ones", () => {
    const candidates = best(Array.from({ length: 50 }, () => 0));
    const draw = (seed: number): number[] => {
      const sampler = createSampler({ ...PLAIN, seed });
      return Array.from({ length: 20 }, () => sampler.next(candidates, []));
    };
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
    expect(draw(2 ** 40 + 3)).not.toEqual(draw(3));
  });

  test("always returns a candidate", () => {
    const setting = fc.record({
      temperature: fc.double({ min: 0, max: 5, noNaN: true }),
      topK: fc.nat(20),
      topP: fc.double({ min: 0.001, max: 1, noNaN: true }),
      repetitionPenalty: fc.double({ min: 1, max: 5, noNaN: true }),
    });
    const logit = fc.double({ min: -1e30, max: 1e30, noNaN: true }).map(Math.fround);
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 1, maxLength: 40 }),
        setting,
        fc.integer(),
        fc.array(fc.nat(40)),
        (logits, options, seed, history) => {
          const candidates = best(logits);
          expect(candidates.ids).toContain(sampleToken(candidates, history, options, seedRandom(seed)).token);
        },
      ),
    );
  });
});

test.each([
  [GREEDY, 1],
  [{ ...GREEDY, repetitionPenalty: 1.1 }, 65],
  [{ ...PLAIN, topK: 40 }, 40],
  [{ ...PLAIN, topK: 40, repetitionPenalty: 1.1 }, 104],
  [PLAIN, 256],
  [{ ...PLAIN, topK: 1024, repetitionPenalty: 2 }, 1024],
])("candidates for %o: %i", (options, count) => {
  expect(candidatesNeeded(options)).toBe(count);
});

describe("settings and candidates that make no sense are refused", () => {
  test.each([
    { temperature: -1 },
    { temperature: Number.NaN },
    { temperature: Infinity },
    { topK: -1 },
    { topK: 1.5 },
    { topK: 5000 },
    { topP: 0 },
    { topP: 1.1 },
    { topP: Number.NaN },
    { repetitionPenalty: 0.9 },
    { repetitionPenalty: Number.NaN },
    { seed: 1.5 },
  ])("%o", (change) => {
    expect(codeOf(() => createSampler({ ...PLAIN, seed: 1, ...change }))).toBe("BAD_INPUT");
  });

  test.each([
    ["no candidates", { ids: new Int32Array(0), values: new Float32Array(0), logSumExp: 0 }],
    ["not a number", { ids: Int32Array.of(1, 2), values: Float32Array.of(1, Number.NaN), logSumExp: 0 }],
    ["infinite", { ids: Int32Array.of(1), values: Float32Array.of(Infinity), logSumExp: 0 }],
    ["a sum that is no number", { ids: Int32Array.of(1), values: Float32Array.of(1), logSumExp: Number.NaN }],
    ["ids without logits", { ids: Int32Array.of(1, 2), values: Float32Array.of(1), logSumExp: 1 }],
  ])("%s", (_, candidates) => {
    expect(codeOf(() => sampleToken(candidates, [], GREEDY, seedRandom(1)))).toBe("ENGINE_FAILED");
  });
});

describe("the generator", () => {
  test("spreads evenly over [0, 1)", () => {
    const bins = new Array<number>(10).fill(0);
    let state = seedRandom(42);
    for (let draw = 0; draw < 10_000; draw++) {
      const next = nextFraction(state);
      state = next.state;
      expect(next.fraction).toBeGreaterThanOrEqual(0);
      expect(next.fraction).toBeLessThan(1);
      const bin = Math.floor(next.fraction * 10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    for (const bin of bins) expect(Math.abs(bin - 1000)).toBeLessThan(150);
  });

  test("starts from any seed with a state that moves", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (seed) => {
        const state = seedRandom(seed);
        expect(state.some((word) => word !== 0)).toBe(true);
        expect(nextFraction(state).state).not.toEqual(state);
      }),
    );
  });
});
