// Row invariance: every fixture, cut in the middle, in random chunkings, in the real runtime, bit by bit.
import { readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { makeRowInvariant } from "../../../../src/model/rows/row-invariant.ts";
import { productBreaks } from "../../../../src/model/rows/step-breaks.ts";
import { compareChunkings } from "../../../../tools/bench/invariance.ts";
import { wholeSpan } from "../../../../tools/bench/models/whole-span.ts";
import { ensureWideModel } from "../../../../tools/bench/models/wide-model.ts";
import { BUNDLED, FIXTURES, MISSING, publicModel } from "../test-models.ts";

const SHORT = { chunkings: 3, positions: 100, seed: 3 };

test.for(readdirSync(FIXTURES))("%s: a row has the same bits in every chunking, or the model is refused", async (name) => {
  const result = await compareChunkings(path.join(FIXTURES, name), SHORT);
  if (name.endsWith("-q8") && !name.includes("genai"))
    expect(result).toHaveProperty("refused", expect.stringContaining("quantized dynamically"));
  else expect(result).toMatchObject({ differing: 0, rows: expect.toSatisfy((rows: number) => rows > 10) as number });
});

test.for(["stories260k", "tiny-random-llama-fp32-gqa", "tiny-random-gpt2-fp32", "tiny-random-llama-fp16"])("%s", async (name, { skip }) => {
  const folder = publicModel(name) ?? skip(MISSING);
  expect(await compareChunkings(folder, SHORT)).toMatchObject({ differing: 0 });
});

test.for([
  { heads: 2, kvHeads: 1, headSize: 256, writtenOut: false },
  { heads: 2, kvHeads: 2, headSize: 256, writtenOut: true },
  { heads: 2, kvHeads: 2, headSize: 64, writtenOut: true },
])("a row has the same bits past the lengths at which the runtime sums in other blocks: %j", async ({ writtenOut, ...heads }) => {
  const folder = await ensureWideModel({ layers: 2, width: 128, feedForward: 128, vocabulary: 512, context: 1024, ...heads });
  expect(await compareChunkings(folder, { ...SHORT, positions: 300, writtenOut })).toMatchObject({ differing: 0 });
});

test("rows of the bundled model in its plain form do depend on the step: the comparison can fail", async () => {
  const result = await compareChunkings(BUNDLED, { ...SHORT, plain: true });
  expect(result).toHaveProperty(
    "differing",
    expect.toSatisfy((rows: number) => rows > 0),
  );
});

test("the same graph gives the same bytes, over the same weights", async () => {
  const { graph, plan, rowInvariant } = await wholeSpan(BUNDLED);
  const again = makeRowInvariant(graph, plan);
  expect(again).toEqual({ ...rowInvariant, converted: undefined });
});

test.for([
  [64, []],
  [128, []],
  [129, [64]],
  [256, [64]],
  [320, [32, 64]],
  [1024, [16, 32, 64]],
] as const)("a head of %i numbers breaks steps at %j", ([headSize, breaks]) => {
  expect(productBreaks(headSize)).toEqual(breaks);
});
