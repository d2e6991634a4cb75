// Reads where a model comes from, its exporter and family, and its reference answer if it has one.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as v from "valibot";
import { describeDtype } from "../../src/model/cut/count-cost.ts";
import type { CuttableModel } from "../../src/model/cut/cuttable-model.ts";

const Tokens = v.pipe(v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), v.minLength(1), v.maxLength(1000));

/** reference.json of a fixture, as tools/fixtures writes it. */
const Reference = v.object({
  exporter: v.string(),
  family: v.string(),
  quantization: v.string(),
  prompt: Tokens,
  /** Greedy tokens after the prompt. */
  tokens: Tokens,
});
export type ReferenceAnswer = Pick<v.InferOutput<typeof Reference>, "prompt" | "tokens">;

export interface ModelOrigin {
  readonly exporter: string;
  readonly family: string;
  /** fp32, fp16, q8, q4 or q4f16. */
  readonly quantization: string;
  readonly answer: ReferenceAnswer | undefined;
}

const Configuration = v.object({
  model_type: v.optional(v.string()),
  model: v.optional(v.object({ type: v.optional(v.string()) })),
});

/** Reads reference.json; if there is none, the configurations, the graph's producer, and the type of its weights. */
export async function readOrigin(folder: string, model: CuttableModel): Promise<ModelOrigin> {
  const reference = await readJson(path.join(folder, "reference.json"));
  if (reference !== undefined) {
    const { exporter, family, quantization, prompt, tokens } = v.parse(Reference, reference);
    return { exporter, family, quantization, answer: { prompt, tokens } };
  }
  const genai = v.parse(Configuration, (await readJson(path.join(folder, "genai_config.json"))) ?? {});
  const config = v.parse(Configuration, (await readJson(path.join(folder, "config.json"))) ?? {});
  return {
    exporter: model.graph.model.producerName || "unknown",
    family: genai.model?.type ?? config.model_type ?? "unknown",
    quantization: describeDtype(model),
    answer: undefined,
  };
}

async function readJson(file: string): Promise<unknown> {
  return existsSync(file) ? (JSON.parse(await readFile(file, "utf8")) as unknown) : undefined;
}
