// Drafts: which tokens are guessed, that the text never changes, and that guessing stops if it does not pay.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalEngine } from "../../../src/engine/local-engine.ts";
import { startRunner } from "../../../src/engine/start-runner.browser.ts";
import { joinParts } from "../../../src/protocol/span-plan.ts";
import { verifyDraft } from "../../../src/inference/draft/verify-draft.ts";
import { DraftControl } from "../../../src/inference/draft/draft-control.ts";
import { DraftLookup } from "../../../src/inference/draft/draft-lookup.ts";
import { type Candidates, createSampler, type SamplerOptions } from "../../../src/model/text/sampler.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asSessionId } from "../../../src/shared/ids.ts";
import { wholeSpan } from "../../../tools/bench/models/whole-span.ts";
import { BUNDLED } from "../model/test-models.ts";

/** What a lookup should propose, found by looking everywhere. */
function lookEverywhere(tokens: readonly number[], count: number, minMatch: number, maxMatch: number): number[] {
  for (let match = Math.min(maxMatch, tokens.length); match >= minMatch; match--) {
    for (let from = tokens.length - 1; from >= match; from--) {
      if (!tokens.slice(from - match, from).every((token, index) => token === tokens[tokens.length - match + index])) continue;
      const text = [...tokens];
      while (text.length < tokens.length + count) text.push(text[from + text.length - tokens.length] ?? -1);
      return text.slice(tokens.length);
    }
  }
  return [];
}

describe("DraftLookup", () => {
  it("proposes the tokens after the longest match, and of several matches after the latest", () => {
    const text = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 });
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 9 }), (tokens, count) => {
        const lookup = new DraftLookup({ minMatch: 2, maxMatch: 4 });
        lookup.push(...tokens);
        const expected = count === 0 ? [] : lookEverywhere(tokens, count, 2, 4);
        expect(lookup.propose(count).tokens).toEqual(expected);
        expect(lookup.length).toBe(tokens.length);
      }),
    );
  });

  it("guesses nothing if nothing repeats", () => {
    const lookup = new DraftLookup();
    lookup.push(1, 2, 3, 4, 5);
    expect(lookup.propose(4)).toEqual({ tokens: [], match: 0 });
  });
});

/** Candidates that depend only on the last two tokens: a small language of eight words, which repeats itself. */
function wordsAfter(history: readonly number[]): Candidates {
  const state = (7 * (history.at(-1) ?? 0) + 3 * (history.at(-2) ?? 0)) % 8;
  const ranked = Array.from({ length: 8 }, (_, id) => ({ id, value: Math.fround(3 * Math.sin(id + 1.7 * state)) })).toSorted(
    (a, b) => b.value - a.value || a.id - b.id,
  );
  const values = Float32Array.from(ranked, ({ value }) => value);
  return {
    ids: Int32Array.from(ranked, ({ id }) => id),
    values,
    logSumExp: Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0)),
  };
}

const samplers: fc.Arbitrary<SamplerOptions> = fc.record({
  temperature: fc.constantFrom(0, 0.3, 1),
  topK: fc.constantFrom(0, 3),
  topP: fc.constantFrom(1, 0.8),
  repetitionPenalty: fc.constantFrom(1, 1.3),
  seed: fc.integer({ min: 0, max: 1000 }),
});

describe("verifyDraft", () => {
  it("gives the text of step-by-step decoding, whatever is guessed", () => {
    const guesses = fc.array(fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 5 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(samplers, guesses, fc.boolean(), (options, drafts, isGood) => {
        const length = 40;
        const plain = [1, 2];
        const sampler = createSampler(options);
        while (plain.length < length) plain.push(sampler.next(wordsAfter(plain), plain));

        const history = [1, 2];
        const drafting = createSampler(options);
        for (let lap = 0; history.length < length; lap++) {
          // Guesses of the right text are cut short somewhere; others are right only by chance.
          const wild = drafts[lap % drafts.length] ?? [];
          const draft = isGood ? plain.slice(history.length, history.length + wild.length) : wild;
          const rows = Array.from({ length: draft.length + 1 }, (_, row) => wordsAfter([...history, ...draft.slice(0, row)]));
          const before = history.length;
          for (const token of verifyDraft(draft, rows, drafting, history)) {
            history.push(token);
            if (history.length === length) break;
          }
          expect(history.length).toBeGreaterThan(before);
        }
        expect(history).toEqual(plain);
      }),
    );
  });
});

interface Route {
  readonly lapMs: number;
  readonly rowMs: number;
  /** Whether guess `index` of lap `lap` holds. */
  readonly holds: (lap: number, index: number) => boolean;
}

/**
 * Returns the milliseconds for `length` tokens, drafting as the control decides. Without drafts they are length *
 * lapMs.
 */
function drafted(control: DraftControl, length: number, { lapMs, rowMs, holds }: Route): number {
  let ms = 0;
  for (let made = 0, lap = 0; made < length; lap++) {
    const match = 2 + (lap % 5);
    const count = control.tokens(8, match);
    let accepted = 0;
    while (accepted < count && holds(lap, accepted)) accepted++;
    const took = lapMs + count * rowMs;
    control.lapped({ drafted: count, accepted, match, lapMs: took });
    ms += took;
    made += accepted + 1;
  }
  return ms;
}

describe("DraftControl", () => {
  it("costs less than 3 % if no guess holds, over long and short routes", () => {
    for (const [lapMs, rowMs] of [
      [8.5, 4],
      [100, 4],
      [300, 30],
      [20, 40],
    ] as const)
      expect((200 * lapMs) / drafted(new DraftControl(), 200, { lapMs, rowMs, holds: () => false })).toBeGreaterThan(0.97);
  });

  it("is more than twice as fast if guesses hold and the route is long", () => {
    for (const length of [64, 256])
      expect(
        (length * 120) / drafted(new DraftControl(), length, { lapMs: 120, rowMs: 4, holds: (lap, index) => (lap + index) % 10 !== 0 }),
      ).toBeGreaterThan(2);
  });

  it("does not draft while rows cost as much as laps, and notices when they no longer do", () => {
    const control = new DraftControl();
    drafted(control, 400, { lapMs: 10, rowMs: 10, holds: () => true });
    expect(control.tokens(8, 3)).toBe(0);
    const far = drafted(control, 2000, { lapMs: 100, rowMs: 2, holds: () => true });
    expect((2000 * 100) / far).toBeGreaterThan(2);
  });

  it("never sends more guesses than there are, and none before it knows a plain lap", () => {
    const control = new DraftControl(4);
    expect(control.tokens(8, 6)).toBe(0);
    for (let lap = 0; lap < 3; lap++) control.lapped({ drafted: 0, accepted: 0, match: 0, lapMs: 100 });
    expect(control.tokens(0, 0)).toBe(0);
    for (let lap = 0; lap < 20; lap++) {
      const count = control.tokens(3, 6);
      expect(count).toBeLessThanOrEqual(3);
      control.lapped({ drafted: count, accepted: count, match: 6, lapMs: 100 + count });
    }
    expect(control.tokens(8, 6)).toBe(4);
    expect(control.tokens(1, 6)).toBe(1);
  });
});

describe("on a row-invariant span", () => {
  let engine: LocalEngine;
  beforeAll(async () => {
    const { ort, runner, report } = await startRunner(
      joinParts([await wholeSpan(BUNDLED)]),
      { backend: "wasm", rowInvariant: true },
      systemClock,
    );
    engine = new LocalEngine(ort, runner, report, { cacheBudgetBytes: 2 ** 26, share: 1, clock: systemClock });
  });
  afterAll(() => engine.dispose());

  /** Generates 60 tokens after a prompt that repeats itself, with up to `most` drafted tokens a lap. */
  async function answer(options: SamplerOptions, most: number): Promise<{ readonly tokens: readonly number[]; readonly laps: number }> {
    const session = asSessionId("d".repeat(32));
    const prompt = [0, ...Array.from({ length: 24 }, (_, index) => 40 + (index % 8))];
    const sampler = createSampler(options);
    const lookup = new DraftLookup();
    lookup.push(...prompt);
    const history = [...prompt];
    const step = async (position: number, tokens: readonly number[], logitRows: number): Promise<Candidates[]> => {
      const { logits, earlierLogits } = await engine.step({
        session,
        position,
        count: tokens.length,
        tokens: Int32Array.from(tokens),
        hidden: undefined,
        topK: sampler.candidates,
        logitRows,
      });
      return logits ? [...earlierLogits, logits] : [];
    };
    await engine.open(session, 200);
    let draft: readonly number[] = [];
    let rows = await step(0, prompt, 1);
    let laps = 0;
    for (;;) {
      const before = history.length;
      for (const token of verifyDraft(draft, rows, sampler, history)) {
        history.push(token);
        lookup.push(token);
      }
      if (history.length >= prompt.length + 60) break;
      // The cache holds the drafted tokens that held, but not the last token.
      const position = history.length - 1;
      await engine.truncate(session, position);
      expect(history.length).toBeGreaterThan(before);
      draft = lookup.propose(most).tokens;
      rows = await step(position, [...history.slice(-1), ...draft], draft.length + 1);
      laps++;
    }
    await engine.close(session);
    return { tokens: history.slice(0, prompt.length + 60), laps };
  }

  it.for([
    { temperature: 0, topK: 0, topP: 1, repetitionPenalty: 1, seed: 1 },
    { temperature: 0.8, topK: 40, topP: 0.95, repetitionPenalty: 1.1, seed: 7 },
    { temperature: 1.2, topK: 0, topP: 1, repetitionPenalty: 1, seed: 8 },
  ])("text with drafts is the text without them: temperature $temperature", async (options) => {
    const plain = await answer(options, 0);
    const fast = await answer(options, 5);
    expect(fast.tokens).toEqual(plain.tokens);
    if (options.temperature === 0) expect(fast.laps).toBeLessThan(plain.laps);
  });
});
