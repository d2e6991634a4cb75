// Caches that stay in the runtime's memory have the bits of caches that are copied, for every order of steps,
// truncations and sessions.
import fc from "fast-check";
import * as ort from "onnxruntime-web";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StepOutput } from "../../../src/engine/contract.ts";
import { LocalEngine } from "../../../src/engine/local-engine.ts";
import { type Ort, readCache } from "../../../src/engine/ort.ts";
import type { Runner } from "../../../src/engine/runner-chain.ts";
import { HeapTensor } from "../../../src/engine/runtime-heap.ts";
import { SpanRunner } from "../../../src/engine/span-runner.ts";
import { wasmRuntime } from "../../../src/engine/wasm-runtime.browser.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asSessionId } from "../../../src/shared/ids.ts";
import { bundledSpan } from "../../support/bundled-model.ts";

const OPTIONS = { executionProviders: ["wasm"], cacheOnDevice: false } as const;
const REPORT = { backend: "wasm", determinismClass: "test", rowInvariant: false, layerMs: 1, conversionMs: 0, notices: [] } as const;

let runtime: Ort;
let kept: Runner;
let copied: Runner;
beforeAll(async () => {
  runtime = await wasmRuntime();
  kept = await SpanRunner.create(runtime, bundledSpan(0, 8), OPTIONS);
  copied = await SpanRunner.create(ort, bundledSpan(0, 8), OPTIONS);
});
afterAll(async () => {
  await kept.release();
  await copied.release();
});

const engine = (of: Ort, runner: Runner): LocalEngine =>
  new LocalEngine(of, runner, REPORT, { cacheBudgetBytes: 2 ** 30, share: 1, clock: systemClock });

test("a run leaves its caches in the runtime, with the bytes of a copy", async () => {
  const tokens = Int32Array.of(3, 4, 5);
  const [inHeap, out] = [
    await kept.run({ length: 0, tensors: new Map() }, 3, tokens, undefined),
    await copied.run({ length: 0, tensors: new Map() }, 3, tokens, undefined),
  ];
  for (const [name, cache] of inHeap.caches) {
    expect(cache).toBeInstanceOf(HeapTensor);
    const [mine, other] = [await readCache(cache), await readCache(out.caches.get(name) ?? cache)];
    expect(mine.dims).toEqual(other.dims);
    expect(Buffer.compare(mine.bytes, other.bytes)).toBe(0);
    cache.dispose();
    cache.dispose();
    await expect(readCache(cache)).rejects.toThrow("does not know");
  }
});

type Act =
  | { readonly kind: "step"; readonly session: number; readonly tokens: readonly number[] }
  | { readonly kind: "cut"; readonly session: number; readonly by: number };
const acts = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("step" as const),
      session: fc.nat(1),
      tokens: fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 5 }),
    }),
    fc.record({ kind: fc.constant("cut" as const), session: fc.nat(1), by: fc.nat(4) }),
  ),
  { minLength: 1, maxLength: 12 },
);

async function play(target: LocalEngine, script: readonly Act[]): Promise<readonly unknown[]> {
  const sessions = [asSessionId("a".repeat(32)), asSessionId("b".repeat(32))] as const;
  const lengths = [0, 0];
  for (const session of sessions) await target.open(session, 512);
  const seen: unknown[] = [];
  for (const act of script) {
    const session = sessions[act.session] ?? sessions[0];
    const length = lengths[act.session] ?? 0;
    if (act.kind === "cut") {
      lengths[act.session] = Math.max(0, length - act.by);
      await target.truncate(session, lengths[act.session] ?? 0);
      continue;
    }
    const count = act.tokens.length;
    const step = { session, position: length, count, tokens: Int32Array.from(act.tokens), hidden: undefined, topK: 5 };
    const { logits }: StepOutput = await target.step(step);
    lengths[act.session] = length + count;
    seen.push(logits);
  }
  for (const session of sessions) await target.close(session);
  return seen;
}

test("random steps and truncations of two sessions give the same logits", async () => {
  const [mine, other] = [engine(runtime, kept), engine(ort, copied)];
  await fc.assert(
    fc.asyncProperty(acts, async (script) => {
      expect(await play(mine, script)).toEqual(await play(other, script));
    }),
    { numRuns: 25 },
  );
});

test("many sessions leave no memory behind", async () => {
  const mine = engine(runtime, kept);
  const script: Act[] = [
    { kind: "step", session: 0, tokens: Array.from({ length: 40 }, (_, index) => index + 1) },
    { kind: "cut", session: 0, by: 9 },
    { kind: "step", session: 0, tokens: [7] },
  ];
  const size = (): number => runtime.heap?.bytes ?? 0;
  for (let warm = 0; warm < 10; warm++) await play(mine, script);
  const before = size();
  expect(before).toBeGreaterThan(0);
  for (let round = 0; round < 200; round++) await play(mine, script);
  expect(size()).toBe(before);
});

test("a run that fails keeps nothing, and leaves the cache as it was", async () => {
  const first = await kept.run({ length: 0, tensors: new Map() }, 2, Int32Array.of(3, 4), undefined);
  const cache = { length: 2, tensors: first.caches };
  await expect(kept.run(cache, 1, Int32Array.of(1_000_000), undefined)).rejects.toMatchObject({ code: "ENGINE_FAILED" });
  const [after, fresh] = [
    await kept.run(cache, 1, Int32Array.of(5), undefined),
    await copied.run({ length: 0, tensors: new Map() }, 3, Int32Array.of(3, 4, 5), undefined),
  ];
  for (const [name, tensor] of after.caches) {
    const whole = fresh.caches.get(name);
    expect((await readCache(tensor)).dims).toEqual(whole && (await readCache(whole)).dims);
    tensor.dispose();
  }
  for (const tensor of first.caches.values()) tensor.dispose();
});
