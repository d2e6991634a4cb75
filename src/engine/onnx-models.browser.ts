// Runs any ONNX model over given tensors, for tasks. WebAssembly on one thread makes outputs the same bytes within a
// class.
import type { InferenceSession, Tensor } from "onnxruntime-web";
import { errorMessage, ManyhandsError } from "../shared/errors.ts";
import { type Ort, tensorBytes } from "./ort.ts";

const DEFAULTS = Object.freeze({
  /** Models that stay loaded: the parts of one job follow each other, and two jobs may alternate. */
  models: 2,
});

const ARRAYS = Object.freeze({
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
});

/** `data`: little-endian, row-major. */
export interface PlainTensor {
  readonly type: keyof typeof ARRAYS;
  readonly dims: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

/** By the names that the model gives its inputs or outputs. */
export type PlainTensors = Record<string, PlainTensor>;

export class OnnxModels {
  readonly #ort: Ort;
  /** By key, the least recently used first. */
  readonly #sessions = new Map<string, Promise<InferenceSession>>();

  constructor(ort: Ort) {
    this.#ort = ort;
    ort.env.wasm.numThreads = 1; // barrier threads collapse if cores are shared, and their number is part of the class
  }

  /**
   * Returns the outputs of one run. `key` names the model's bytes, which `load` returns if it is not loaded yet. Throws
   * MODEL_UNSUPPORTED, ENGINE_FAILED, or the error of `load`.
   */
  async run(key: string, load: () => Promise<Uint8Array>, inputs: Readonly<PlainTensors>): Promise<PlainTensors> {
    const session = await this.#session(key, load);
    const feeds: Record<string, Tensor> = {};
    let results: Record<string, Tensor>;
    try {
      for (const [name, tensor] of Object.entries(inputs)) feeds[name] = this.#tensor(tensor);
      results = await session.run(feeds);
    } catch (cause) {
      throw new ManyhandsError("ENGINE_FAILED", `the model could not be run: ${errorMessage(cause)}`, { cause });
    } finally {
      for (const tensor of Object.values(feeds)) tensor.dispose();
    }
    const outputs: PlainTensors = {};
    for (const [name, tensor] of Object.entries(results)) {
      if (!isPlain(tensor.type)) throw new ManyhandsError("MODEL_UNSUPPORTED", `outputs of type ${tensor.type} are not sent`);
      outputs[name] = { type: tensor.type, dims: [...tensor.dims], data: tensorBytes(tensor).slice() };
      tensor.dispose();
    }
    return outputs;
  }

  async #session(key: string, load: () => Promise<Uint8Array>): Promise<InferenceSession> {
    const known = this.#sessions.get(key);
    const session = known ?? this.#create(load);
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (known === undefined) {
      session.catch(() => this.#sessions.delete(key)); // the caller sees the failure; the next run tries again
      const [oldest] = this.#sessions;
      if (oldest !== undefined && this.#sessions.size > DEFAULTS.models) {
        this.#sessions.delete(oldest[0]);
        void oldest[1].then((old) => old.release()).catch(() => {}); // it was never loaded
      }
    }
    return session;
  }

  async #create(load: () => Promise<Uint8Array>): Promise<InferenceSession> {
    const bytes = await load();
    try {
      return await this.#ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    } catch (cause) {
      throw new ManyhandsError("MODEL_UNSUPPORTED", `the runtime cannot load this model: ${errorMessage(cause)}`, { cause });
    }
  }

  #tensor({ type, dims, data }: PlainTensor): Tensor {
    const Values = ARRAYS[type];
    const { buffer } = data.slice(); // an aligned copy, which the runtime may keep
    return new this.#ort.Tensor(type, new Values(buffer) as Float32Array, dims); // each type is paired with its array
  }
}

const isPlain = (type: string): type is PlainTensor["type"] => Object.hasOwn(ARRAYS, type);
