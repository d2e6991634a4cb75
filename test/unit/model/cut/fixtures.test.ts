// Real exports of real model families, cut at every boundary: the structure of all, bytes
// and tokens of one of each kind.
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { cutSpan } from "../../../../src/model/cut/cut-span.ts";
import { readCuttableModel } from "../../../../src/model/cut/cuttable-model.ts";
import { detachWeights } from "../../../../src/model/cut/detach-weights.ts";
import { readOnnx } from "../../../../src/model/graph/read-onnx.ts";
import { asModelId } from "../../../../src/shared/ids.ts";
import { compareSplits, type ExactnessResult } from "../../../../tools/bench/exactness.ts";
import { readOrigin } from "../../../../tools/model/reference-answer.ts";
import { FIXTURES } from "../test-models.ts";

const NAMES = readdirSync(FIXTURES);
const OPTIONS = { model: asModelId("fixture"), contextLength: 128 };

describe("every fixture", () => {
  test.each(NAMES)("%s: spans fit together, hold each cache once and read no foreign weights", async (name) => {
    const bytes = new Uint8Array(await readFile(path.join(FIXTURES, name, "model.onnx")));
    const model = readCuttableModel(detachWeights(bytes, "model.onnx").skeleton);
    const cuts = Array.from({ length: model.layerCount }, (_, start) => cutSpan(model, { start, end: start + 1 }, OPTIONS));
    cuts.slice(1).forEach(({ plan }, index) => expect(plan.boundaryIn).toEqual(cuts[index]?.plan.boundaryOut));
    const pasts = cuts.flatMap(({ plan }) => plan.caches.map((cache) => cache.past));
    expect(new Set(pasts).size).toBe(pasts.length);
    expect(pasts).toHaveLength(model.layers.caches.flat().length);
    cuts.forEach(({ plan, graph }, layer) => {
      const made = readOnnx(graph).graph;
      // Every tensor that a node reads is made before, given or a weight.
      const known = new Set([...made.input, ...made.initializer].map((value) => value.name));
      for (const node of made.node) {
        for (const input of node.input) if (input !== "") expect(known).toContain(input);
        for (const output of node.output) known.add(output);
      }
      for (const output of made.output) expect(known).toContain(output.name);
      const foreign = [...known].filter(
        (value) => /layers\.(\d+)\..*weight/.exec(value)?.[1] === String(layer + 1) && !value.includes("norm"),
      );
      expect(foreign).toEqual([]);
      expect(plan.boundaryOut.length).toBeLessThanOrEqual(2);
      expect(plan.tokens === undefined).toBe(layer > 0);
    });
  });

  test("says where it comes from, and which answer is expected of it", async () => {
    for (const name of NAMES) {
      const folder = path.join(FIXTURES, name);
      const model = readCuttableModel(new Uint8Array(readFileSync(path.join(folder, "model.onnx"))));
      const { exporter, family, quantization, answer } = await readOrigin(folder, model);
      expect(name.startsWith(`${family}-${exporter}-${quantization}`)).toBe(true);
      expect(answer?.tokens).toHaveLength(16);
    }
  });
});

describe("every boundary gives the bytes of one session, and the exporter's tokens", () => {
  // One for each way in which exporters write attention, norms, weights and caches.
  // `npm run bench -- exactness --all` runs all.
  test.each([
    "gemma3-genai-q4f16",
    "gpt2-onnxruntime-q8",
    "gpt2-optimum-fp32",
    "llama-genai-fp32-mha",
    "llama-genai-q4-qdq",
    "llama-optimum-q4f16",
    "phi4-genai-q4",
    "qwen2.5-optimum-q8",
    "qwen3-optimum-fp32",
    "smollm2-genai-q4-pruned",
    "smollm2-genai-q4f16-tied",
    "smollm2-optimum-fp16",
  ])("%s", async (name) => {
    const results: ExactnessResult[] = [];
    for await (const result of compareSplits(path.join(FIXTURES, name), { prefill: 9, steps: 3, seed: undefined, describes: true }))
      results.push(result);
    expect(results.length).toBeGreaterThanOrEqual(3);
    expect(results.map(({ equal, reference }) => ({ equal, reference }))).toEqual(results.map(() => ({ equal: true, reference: true })));
  });
});
