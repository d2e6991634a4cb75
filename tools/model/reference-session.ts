// One unsplit ONNX Runtime session over a model's own files, none of our rewriting in between: what split answers are held against.
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as ort from "onnxruntime-web";
import { externalRange, readOnnx } from "../../src/model/onnx/read-onnx.ts";
import { findModelFile } from "./model-folder.ts";

type Tensor = ort.Tensor;

/** Logits of one step. */
export interface ReferenceLogits {
  /** Raw bytes, `[count, vocabulary]`. */
  readonly bytes: Uint8Array;
  /** Token with the highest logit after the last position; the lowest id of equals. */
  readonly best: number;
}

/** A session with its cache; positions only grow. WASM, one thread, all graph optimisations. */
export class ReferenceSession {
  readonly #session: ort.InferenceSession;
  readonly #past = new Map<string, Tensor>();
  #length = 0;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
  }

  /** Loads a model's folder whole. */
  static async open(folder: string): Promise<ReferenceSession> {
    ort.env.wasm.numThreads = 1;
    const bytes = new Uint8Array(await readFile(path.join(folder, await findModelFile(folder))));
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
    );
  }

  /** Appends `tokens` in one step. */
  async step(tokens: readonly number[]): Promise<ReferenceLogits> {
    const outputs = await this.#session.run(
      Object.fromEntries(this.#session.inputMetadata.map((input) => [input.name, this.#feed(input, tokens)])),
    );
    this.#length += tokens.length;
    for (const name of this.#session.inputNames) {
      const present = outputs[name.replace(/^past(_key_values)?/, "present")];
      if (name.startsWith("past") && present !== undefined) this.#past.set(name, present);
    }
    const logits = outputs["logits"] as Tensor; // readCuttableModel refuses graphs without
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
    // Symbolic dimensions are the batch, which is 1, and the past, which is the last but one.
    const dims = input.shape.map((dim, index) => (typeof dim === "number" ? dim : index === input.shape.length - 2 ? 0 : 1));
    return input.type === "float16"
      ? new ort.Tensor("float16", new Uint16Array(0), dims)
      : new ort.Tensor("float32", new Float32Array(0), dims);
  }
}

function lastArgmax(logits: Tensor): number {
  const vocabulary = logits.dims.at(-1) ?? 0;
  const values = (logits.data as Float32Array).subarray(-vocabulary);
  return values.reduce((best, value, id) => (value > (values[best] ?? -Infinity) ? id : best), 0);
}
