// One unsplit ONNX Runtime session over the bundled model's own files: the reference for everything that is split.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { readTokenizer } from "../../src/model/text/tokenizer.ts";

const FOLDER = new URL("../../public/models/tales-2m/", import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, FOLDER)));

export const tokenizer = readTokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
/** `<|endoftext|>`. */
const STOP_TOKEN = 0;

/**
 * Resolves with the greedy tokens after each of `prompts`, from `model.onnx` as it was
 * exported: at most `count`. The stop token ends them, and is left out.
 */
export async function greedyUnsplit(prompts: readonly string[], count: number): Promise<readonly (readonly number[])[]> {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(read("model.onnx"), {
    executionProviders: ["wasm"],
    externalData: [{ path: "model.onnx.data", data: read("model.onnx.data") }],
  });
  const answers: number[][] = [];
  for (const prompt of prompts) answers.push(await greedy(session, [...tokenizer.encode(prompt)], count));
  await session.release();
  return answers;
}

async function greedy(session: ort.InferenceSession, prompt: readonly number[], count: number): Promise<number[]> {
  const past = session.inputNames.filter((name) => name.startsWith("past_key_values."));
  let cache = new Map<string, ort.Tensor>(past.map((name) => [name, new ort.Tensor("float32", new Float32Array(0), [1, 4, 0, 16])]));
  const made: number[] = [];
  let next = prompt;
  for (let length = next.length; made.length < count; length++) {
    const feeds: Record<string, ort.Tensor> = {
      ...Object.fromEntries(cache),
      input_ids: new ort.Tensor("int64", BigInt64Array.from(next, BigInt), [1, next.length]),
      attention_mask: new ort.Tensor("int64", new BigInt64Array(length).fill(1n), [1, length]),
    };
    const outputs = await session.run(feeds);
    cache = new Map(past.map((name) => [name, outputs[name.replace("past_key_values", "present")] as ort.Tensor]));
    const logits = outputs["logits"] as ort.Tensor;
    const rows = logits.data as Float32Array;
    const row = rows.subarray(rows.length - (logits.dims[2] ?? 0));
    const token = row.reduce((best, value, id) => (value > (row[best] ?? -Infinity) ? id : best), 0);
    if (token === STOP_TOKEN) break;
    made.push(token);
    next = [token];
  }
  return made;
}
