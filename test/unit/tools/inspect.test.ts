// `npm run model -- inspect`: what it prints about real exports, and that it does not read their weights.
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { detachWeights } from "../../../src/model/cut/detach-weights.ts";
import { readOnnx } from "../../../src/model/graph/read-onnx.ts";
import { errorCode } from "../../../src/shared/errors.ts";
import { inspect } from "../../../tools/model/inspect.ts";
import { readSkeleton } from "../../../tools/model/read-skeleton.ts";

const FIXTURES = path.resolve(import.meta.dirname, "../../fixtures/models");

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "manyhands-inspect-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("inspect", () => {
  test("prints layers, boundaries, operators, sizes and memory", async () => {
    const lines = (await inspect(path.join(FIXTURES, "llama-genai-q4"))).join("\n");
    expect(lines).toMatch(/layers +3, hidden width 32, vocabulary 288, q4/);
    expect(lines).toMatch(/weights +[\d.]+ kB in model\.onnx\.data/);
    expect(lines).toMatch(/1 +128 bytes +\/model\/layers\.1\/input_layernorm\/output_3 float32 × 32/);
    expect(lines).toMatch(/2 +128 bytes/);
    expect(lines).toMatch(/MatMulNBits \d+/);
    expect(lines).toMatch(/whole +[\d.]+ kB +[\d.]+ MB +[\d.]+ kB/);
  });

  test("needs only the graph's file", async () => {
    await inFolder(async (folder) => {
      const from = path.join(FIXTURES, "qwen2.5-genai-fp32");
      await copyFile(path.join(from, "model.onnx"), path.join(folder, "model.onnx"));
      expect(await inspect(folder)).toEqual(await inspect(from));
      expect(await inspect(path.join(folder, "model.onnx"))).toEqual(await inspect(from));
    });
  });

  test("skips weights inside the file", async () => {
    const file = path.join(FIXTURES, "gpt2-optimum-fp32/model.onnx");
    const { bytes, fileBytes, readBytes } = await readSkeleton(file);
    expect(readBytes).toBeLessThan(fileBytes);
    const whole = detachWeights(new Uint8Array(await readFile(file)), "model.onnx");
    expect(readOnnx(bytes)).toEqual(readOnnx(whole.skeleton));
  });

  test.each<[string, (whole: Buffer) => Uint8Array, string]>([
    ["cut short", (whole) => whole.subarray(0, 9000), "MODEL_CORRUPT"],
    ["another kind of file", () => new TextEncoder().encode("<!doctype html><title>Not found</title>"), "BAD_INPUT"],
    ["noise", () => Uint8Array.from({ length: 5000 }, (_, index) => (index * 7919) % 251), "MODEL_CORRUPT"],
  ])("recognises a file that is %s", async (_, change, code) => {
    await inFolder(async (folder) => {
      const file = path.join(folder, "model.onnx");
      await writeFile(file, change(await readFile(path.join(FIXTURES, "llama-genai-q4/model.onnx"))));
      expect(await inspect(file).catch(errorCode)).toBe(code);
    });
  });

  test("refuses a folder without a model, and a path that does not exist", async () => {
    await inFolder(async (folder) => {
      expect(await inspect(folder).catch(errorCode)).toBe("BAD_INPUT");
      expect(await inspect(path.join(folder, "none")).catch(errorCode)).toBe("BAD_INPUT");
      expect(await readdir(folder)).toEqual([]);
    });
  });
});
