// One unsplit ONNX Runtime session over a model's own files, without any of this project's rewriting, to compare split
// models with.
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as ort from "onnxruntime-web";
import { floatLogits } from "../../src/engine/float16.ts";
import { detachWeights } from "../../src/model/cut/detach-weights.ts";
import { readCuttableModel } from "../../src/model/cut/cuttable-model.ts";
import type { LayerCache } from "../../src/model/cut/find-layers.ts";
import { externalRange, readOnnx } from "../../src/model/graph/read-onnx.ts";
import { findModelFile } from "./model-folder.ts";

type Tensor = ort.Tensor;

/** Logits of one step. */
export interface ReferenceLogits {
  /** Raw bytes, `[count, vocabulary]`. */
  readonly bytes: Uint8Array;
  /** Token with the highest logit after the last position; of equal ones, the lowest id. */
  readonly best: number;
}

/**
 * A session with its cache, whose positions only grow. It runs on WebAssembly with one thread and all graph
 * optimisations.
 */
export class ReferenceSession {
  readonly #session: ort.InferenceSession;
  readonly #caches: ReadonlyMap<string, LayerCache>;
  readonly #past = new Map<string, Tensor>();
  #length = 0;

  private constructor(session: ort.InferenceSession, caches: readonly LayerCache[]) {
    this.#session = session;
    this.#caches = new Map(caches.map((cache) => [cache.past, cache]));
  }

  /** Loads the whole model of a folder. */
  static async open(folder: string): Promise<ReferenceSession> {
    ort.env.wasm.numThreads = 1;
    const name = await findModelFile(folder);
    const bytes = new Uint8Array(await readFile(path.join(folder, name)));
    const { layers } = readCuttableModel(detachWeights(bytes, name).skeleton);
    const files = new Set(readOnnx(bytes).graph.initializer.flatMap((tensor) => externalRange(tensor)?.file ?? []));
    const externalData = await Promise.all(
      [...files].map(async (file) => ({ path: file, data: new Uint8Array(await readFile(path.join(folder, file))) })),
    );
    return new ReferenceSession(
      await ort.InferenceSession.create(bytes, {
        executionProviders: ["wasm"],
        externalData,
        graphOptimizationLevel: "all",
        logSeverityLevel: 3,
      }),
      layers.caches.flat(),
    );
  }

  /** Appends `tokens` in one step. */
  async step(tokens: readonly number[]): Promise<ReferenceLogits> {
    const outputs = await this.#session.run(
      Object.fromEntries(this.#session.inputMetadata.map((input) => [input.name, this.#feed(input, tokens)])),
    );
    this.#length += tokens.length;
    // findLayers found every `present` among the graph's outputs.
    for (const { past, present } of this.#caches.values()) this.#past.set(past, outputs[present] as Tensor);
    const logits = outputs["logits"] as Tensor; // readCuttableModel refuses graphs without logits
    return {
      bytes: new Uint8Array(
        (logits.data as Float32Array).buffer,
        (logits.data as Float32Array).byteOffset,
        (logits.data as Float32Array).byteLength,
      ),
      best: lastArgmax(logits),
    };
  }

  /** Forgets all positions. */
  reset(): void {
    this.#past.clear();
    this.#length = 0;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  #feed(input: ort.InferenceSession.ValueMetadata, tokens: readonly number[]): Tensor {
    if (!input.isTensor) throw new TypeError(`the input "${input.name}" is no tensor`);
    const integers = (values: readonly number[]): Tensor =>
      input.type === "int32"
        ? new ort.Tensor("int32", Int32Array.from(values), [1, values.length])
        : new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
    if (input.name === "input_ids") return integers(tokens);
    if (input.name === "attention_mask") return integers(Array.from({ length: this.#length + tokens.length }, () => 1));
    if (input.name === "position_ids") return integers(tokens.map((_, index) => this.#length + index));
    const held = this.#past.get(input.name);
    if (held !== undefined) return held;
    const cache = this.#caches.get(input.name);
    // The only other input that a decoder has is the number of rows of logits to keep: 0 keeps all.
    if (cache === undefined) return new ort.Tensor("int64", BigInt64Array.of(0n), [...input.shape.map(() => 1)]);
    const dims = [...(cache.kind === "pair" ? [2] : []), 1, cache.heads, 0, cache.headSize];
    return input.type === "float16"
      ? new ort.Tensor("float16", new Uint16Array(0), dims)
      : new ort.Tensor("float32", new Float32Array(0), dims);
  }
}

function lastArgmax(logits: Tensor): number {
  const values = floatLogits(logits).subarray(-(logits.dims.at(-1) ?? 0));
  return values.reduce((best, value, id) => (value > (values[best] ?? -Infinity) ? id : best), 0);
}
