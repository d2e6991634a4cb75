// Times a step in the row-invariant form against the plain form: both in turn, after the same positions.
import path from "node:path";
import type { SpanRunner } from "../../../src/engine/span-runner.ts";
import { withPlainAttention } from "../models/plain-attention.ts";
import { spread, type Spread } from "./spread.ts";
import { openRunner, wholeSpan } from "../models/whole-span.ts";

type Cache = Parameters<SpanRunner["run"]>[0];

/** What a decode step costs in the row-invariant form. */
export interface InvariancePrice {
  readonly bench: "invariance";
  readonly model: string;
  /**
   * How attention is written: in "plain" operators, or grouped, with the number of query heads for each key-value head
   * (a group of one needs a row of padding).
   */
  readonly attention: "plain" | `grouped by ${number}`;
  readonly rounds: number;
  /** By cache length: the ratio of the two medians of a round, and these medians in milliseconds. */
  readonly price: Readonly<Record<string, { readonly ratio: Spread; readonly plainMs: Spread; readonly invariantMs: Spread }>>;
  /** The same for one step of 128 rows, after 128 positions. */
  readonly prefill: { readonly ratio: Spread; readonly plainMs: Spread; readonly invariantMs: Spread };
}

interface PriceOptions {
  readonly lengths: readonly number[];
  readonly rounds: number;
  readonly steps: number;
}

const PREFILL_ROWS = 128;

/** Times both forms in turn, always after the same positions. */
export async function timePrice(
  folder: string,
  attention: InvariancePrice["attention"],
  { lengths, rounds, steps }: PriceOptions,
): Promise<InvariancePrice> {
  const whole = await wholeSpan(folder);
  const source = attention === "plain" ? withPlainAttention(whole) : whole;
  const forms = [await openRunner(source, true), await openRunner(source, false)];
  try {
    const price: Record<string, InvariancePrice["price"][string]> = {};
    for (const length of lengths) price[length] = await timeForms(forms, { length, count: 1, rounds, steps });
    const prefillRows = Math.min(PREFILL_ROWS, source.plan.contextLength >> 1);
    const prefill = await timeForms(forms, { length: prefillRows, count: prefillRows, rounds, steps: 2 });
    return { bench: "invariance", model: path.basename(folder), attention, rounds, price, prefill };
  } finally {
    for (const runner of forms) await runner.release();
  }
}

interface TimedStep {
  readonly length: number;
  readonly count: number;
  readonly rounds: number;
  readonly steps: number;
}

async function timeForms(forms: readonly SpanRunner[], { length, count, rounds, steps }: TimedStep): Promise<InvariancePrice["prefill"]> {
  const caches = await Promise.all(forms.map(async (runner) => fill(runner, length)));
  const tokens = new Int32Array(count).fill(1);
  const medians: number[][] = [[], []];
  for (let round = -1; round < rounds; round++) {
    // The forms take turns at going first. Round -1 warms up.
    for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const times: number[] = [];
      for (let step = 0; step < steps; step++) {
        const cache = caches[index];
        const runner = forms[index];
        if (cache === undefined || runner === undefined) continue;
        const started = performance.now();
        const result = await runner.run(cache, count, tokens, undefined);
        times.push(performance.now() - started);
        for (const tensor of result.caches.values()) tensor.dispose();
      }
      if (round >= 0) medians[index]?.push(spread(times).median);
    }
  }
  const [plain = [], invariant = []] = medians;
  return {
    ratio: spread(invariant.map((ms, round) => ms / (plain[round] ?? Number.NaN))),
    plainMs: spread(plain),
    invariantMs: spread(invariant),
  };
}

/** Makes a cache of `length` positions. */
async function fill(runner: SpanRunner, length: number): Promise<Cache> {
  let cache: Cache = { length: 0, tensors: new Map() };
  while (cache.length < length) {
    const count = Math.min(PREFILL_ROWS, length - cache.length);
    const tokens = Int32Array.from({ length: count }, (_, index) => 1 + ((cache.length + index) % 250));
    const result = await runner.run(cache, count, tokens, undefined);
    for (const tensor of cache.tensors.values()) tensor.dispose();
    cache = { length: cache.length + count, tensors: result.caches };
  }
  return cache;
}
