// A span in parts: the bytes of one session, and nothing left behind when a part fails.
import * as ort from "onnxruntime-web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chainRunners, type Runner } from "../../../src/engine/runner-chain.ts";
import { type CacheValue, readCache, tensorBytes } from "../../../src/engine/ort.ts";
import { SpanRunner } from "../../../src/engine/span-runner.ts";
import { joinParts } from "../../../src/protocol/span-plan.ts";
import { bundledSpan } from "../../support/bundled-model.ts";

const OPTIONS = { executionProviders: ["wasm"], cacheOnDevice: false } as const;

async function chain(...edges: readonly number[]): Promise<Runner> {
  const span = joinParts(edges.slice(1).map((end, index) => bundledSpan(edges[index] ?? 0, end)));
  const parts: Runner[] = [];
  for (const part of span.parts) parts.push(await SpanRunner.create(ort, part, OPTIONS));
  return chainRunners(span.plan, parts);
}

/** Runs a prefill and three steps. Returns the bytes of each step's output, and of the caches at the end. */
async function outputs(runner: Runner): Promise<readonly string[]> {
  const seen: string[] = [];
  let cache: Parameters<Runner["run"]>[0] = { length: 0, tensors: new Map() };
  for (const count of [7, 1, 1, 3]) {
    const tokens = Int32Array.from({ length: count }, (_, index) => 11 + cache.length + index);
    const result = await runner.run(cache, count, tokens, undefined);
    seen.push(Buffer.from(result.logits ? tensorBytes(result.logits) : (result.hidden ?? [])).toString("base64"));
    cache = { length: cache.length + count, tensors: result.caches };
  }
  for (const { past } of runner.plan.caches) {
    const tensor = cache.tensors.get(past);
    seen.push(tensor ? Buffer.from((await readCache(tensor)).bytes).toString("base64") : "missing");
  }
  return seen;
}

describe("chainRunners", () => {
  let whole: readonly string[];
  let front: readonly string[];
  const runners: Runner[] = [];
  beforeAll(async () => {
    runners.push(await chain(0, 8), await chain(0, 4));
    whole = await outputs(runners[0] as Runner);
    front = await outputs(runners[1] as Runner);
  });
  afterAll(async () => {
    for (const runner of runners) await runner.release();
  });

  test.each([
    [0, 4, 8],
    [0, 1, 5, 8],
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  ])("gives the logits and caches of one session: %j", async (...edges) => {
    const parts = await chain(...edges);
    expect(parts.plan).toEqual(runners[0]?.plan);
    expect(await outputs(parts)).toEqual(whole);
    await parts.release();
  });

  test("gives the hidden states of one session if it is not the last span", async () => {
    const parts = await chain(0, 2, 4);
    expect(parts.plan).toEqual(runners[1]?.plan);
    expect(await outputs(parts)).toEqual(front);
    await parts.release();
  });

  test("frees the caches of the parts before one that fails", async () => {
    const first = runners[1] as Runner;
    const made: CacheValue[] = [];
    const noting: Runner = {
      plan: first.plan,
      run: async (...step) => {
        const result = await first.run(...step);
        made.push(...result.caches.values());
        return result;
      },
      release: () => first.release(),
    };
    // The output of layers 0 to 3 is no input for layers 0 to 3.
    const broken = chainRunners(first.plan, [noting, first]);
    await expect(broken.run({ length: 0, tensors: new Map() }, 1, Int32Array.of(5), undefined)).rejects.toMatchObject({
      code: "FRAME_MALFORMED",
    });
    expect(made).toHaveLength(8);
    for (const tensor of made) await expect(readCache(tensor)).rejects.toThrow();
  });
});
