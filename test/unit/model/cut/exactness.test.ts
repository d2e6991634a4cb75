// Compares split with unsplit models in the real runtime, bit by bit. The full-length run
// is `npm run bench -- exactness`.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { compareSplits, type ExactnessOptions, type ExactnessResult } from "../../../../tools/bench/exactness.ts";
import { BUNDLED, MISSING, publicModel, smallModel } from "../test-models.ts";

const SHORT: ExactnessOptions = { prefill: 9, steps: 3, seed: undefined };

async function compare(folder: string, options: ExactnessOptions = SHORT): Promise<ExactnessResult[]> {
  const results: ExactnessResult[] = [];
  for await (const result of compareSplits(folder, options)) results.push(result);
  expect(results.length).toBeGreaterThan(0);
  return results;
}

const unequal = (results: readonly ExactnessResult[]): (readonly number[])[] =>
  results.filter((result) => !result.equal).map((result) => result.cuts);

describe("every boundary gives the bytes of one session", () => {
  test("bundled model", async () => {
    const results = await compare(BUNDLED);
    expect(results.map((result) => result.cuts)).toEqual([[1], [2], [3], [4], [5], [6], [7], [1, 2, 3, 4, 5, 6, 7]]);
    expect(unequal(results)).toEqual([]);
  });

  test.for(["stories260k", "tiny-random-llama-fp32-gqa", "tiny-random-gpt2-fp32", "tiny-random-llama-fp16"])(
    "%s",
    async (name, { skip }) => {
      const folder = publicModel(name) ?? skip(MISSING);
      expect(unequal(await compare(folder))).toEqual([]);
      expect(unequal(await compare(folder, { ...SHORT, seed: 7 }))).toEqual([]);
    },
  );
});

test("one changed weight shows at every boundary", async () => {
  const { folder, remove } = await smallModel();
  const other = await mkdtemp(path.join(os.tmpdir(), "manyhands-changed-"));
  try {
    await cp(folder, other, { recursive: true });
    const file = path.join(other, "model.onnx.data");
    const bytes = await readFile(file);
    // The exponent of a value in the middle of the first layer's weights.
    const at = Math.floor(bytes.length / 3 / 4) * 4 + 3;
    bytes[at] = (bytes[at] ?? 0) ^ 0x02;
    await writeFile(file, bytes);
    expect(unequal(await compare(folder, { ...SHORT, splitFolder: other }))).toEqual([[1], [2], [1, 2]]);
    expect(unequal(await compare(folder))).toEqual([]);
  } finally {
    await remove();
    await rm(other, { recursive: true, force: true });
  }
});
