// The self-test at load time: a backend that does not agree with WebAssembly on a prefill is not used.
import type { SpanPlan } from "../protocol/span-plan.ts";
import { boundaryBytesPerPosition } from "../protocol/span-plan.ts";
import type { Clock } from "../shared/clock.ts";
import { halfToFloat } from "../shared/half-floats.ts";
import { floatLogits } from "./float16.ts";
import type { Runner } from "./runner-chain.ts";
import type { RunResult } from "./span-runner.ts";

const SELF_TEST = Object.freeze({
  /** Positions of the prefill: SwiftShader's attention kernel is wrong from 32 on (docs/decisions.md). */
  prefillPositions: 32,
  /** Decode steps that are timed, after one that warms up. */
  decodeSteps: 4,
  /** Largest relative L2 distance from WebAssembly's output that still counts as agreement. */
  tolerance: 0.02,
});

export interface SelfTest {
  /** Output of the prefill as numbers: boundary tensors (fp32) or logits. */
  readonly output: Float32Array;
  /** Median milliseconds of a decode step. */
  readonly stepMs: number;
}

/** If there is nothing to compare, only a step is timed: a longer prefill would hold up a span that is ready. */
const TIMED_ONLY = Object.freeze({ prefillPositions: 2, decodeSteps: 2 });

/** Measures a decode step of a span. */
export async function timeStep(runner: Runner, clock: Pick<Clock, "now">): Promise<Pick<SelfTest, "stepMs">> {
  return selfTest(runner, clock, TIMED_ONLY);
}

/** Runs a fixed pseudo-random prefill and a few decode steps through a span. */
export async function selfTest(
  runner: Runner,
  clock: Pick<Clock, "now">,
  extent: { readonly prefillPositions: number; readonly decodeSteps: number } = SELF_TEST,
): Promise<SelfTest> {
  const { plan } = runner;
  const positions = Math.min(extent.prefillPositions, plan.contextLength - extent.decodeSteps - 1);
  const random = lcg(0x5eed);
  let state: RunResult | undefined;
  let length = 0;
  const run = async (count: number): Promise<RunResult> => {
    const tokens =
      plan.tokens === undefined
        ? undefined
        : Int32Array.from({ length: count }, () => Math.floor(random() * Math.min(256, plan.logits?.vocabularySize ?? 256)));
    const next = await runner.run({ length, tensors: state?.caches ?? new Map() }, count, tokens, randomHidden(plan, count, random));
    if (state) for (const tensor of state.caches.values()) tensor.dispose();
    state = next;
    length += count;
    return next;
  };
  const output = numbers(plan, await run(positions));
  const times: number[] = [];
  for (let i = 0; i <= extent.decodeSteps; i++) {
    const startedMs = clock.now();
    await run(1);
    if (i > 0) times.push(clock.now() - startedMs);
  }
  for (const tensor of state?.caches.values() ?? []) tensor.dispose();
  times.sort((a, b) => a - b);
  return { output, stepMs: times[times.length >> 1] ?? 0 };
}

/** Whether two runs of the self-test agree within the tolerance; a NaN never agrees. */
export function selfTestAgrees(reference: SelfTest, candidate: SelfTest): boolean {
  return relativeDistance(reference.output, candidate.output) <= SELF_TEST.tolerance;
}

/** Relative L2 distance; NaN if the lengths differ. */
export function relativeDistance(reference: Float32Array, candidate: Float32Array): number {
  if (reference.length !== candidate.length) return Number.NaN;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < reference.length; i++) {
    const a = reference[i] ?? 0;
    const b = candidate[i] ?? 0;
    difference += (a - b) ** 2;
    size += a * a;
  }
  return Math.sqrt(difference / Math.max(size, Number.MIN_VALUE));
}

function numbers(plan: SpanPlan, result: RunResult): Float32Array {
  if (result.logits) return floatLogits(result.logits).slice();
  const { buffer } = (result.hidden ?? new Uint8Array(0)).slice();
  // All tensors of a boundary have one type, because a graph's residual stream keeps its type.
  return plan.boundaryOut.some((tensor) => tensor.type === "float16")
    ? Float32Array.from(new Uint16Array(buffer), halfToFloat)
    : new Float32Array(buffer);
}

function randomHidden(plan: SpanPlan, count: number, random: () => number): Uint8Array<ArrayBuffer> | undefined {
  if (plan.boundaryIn.length === 0) return undefined;
  if (plan.boundaryIn.some((tensor) => tensor.type === "float16")) {
    // Random fraction bits give halves between 1 and 2: normal numbers, whatever is drawn.
    const halves = Uint16Array.from(
      { length: (boundaryBytesPerPosition(plan.boundaryIn) * count) / 2 },
      () => 0x3c00 | Math.floor(random() * 1024),
    );
    return new Uint8Array(halves.buffer);
  }
  const values = new Float32Array((boundaryBytesPerPosition(plan.boundaryIn) * count) / 4);
  for (let i = 0; i < values.length; i++) values[i] = 2 * random() - 1;
  return new Uint8Array(values.buffer);
}

/** Numbers in [0, 1), the same everywhere (Numerical Recipes' constants). */
function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
