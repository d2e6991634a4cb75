// Kind `ml_inference`: any ONNX model over given tensors, one run of the model for each set of inputs.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { TASK_LIMITS } from "../../protocol/task-frames.ts";
import { nearTensors } from "./near-tensors.ts";
import { cutByBytes } from "./number-bytes.ts";
import { badInput, type Bytes, readParams, type RunContext, type KindCode } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of inputs in one part. */
  partBytes: 512 * 1024,
  /** Sets of inputs in one part, tensors in a set, dimensions of a tensor, characters of a name. */
  sets: 256,
  tensors: 64,
  rank: 8,
  name: 256,
  /** Bytes of an element by type. */
  elementBytes: { float32: 4, float64: 8, int32: 4, int64: 8, uint8: 1, int8: 1, bool: 1 },
});

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export interface Tensor {
  readonly type: keyof typeof DEFAULTS.elementBytes;
  readonly dims: readonly number[];
  /** Little-endian, row-major. */
  readonly data: Bytes;
}
const Tensor: v.GenericSchema<unknown, Tensor> = v.pipe(
  v.strictObject({
    type: v.picklist(["float32", "float64", "int32", "int64", "uint8", "int8", "bool"]),
    dims: v.pipe(v.array(natural), v.maxLength(DEFAULTS.rank)),
    data: v.instance(Uint8Array<ArrayBuffer>),
  }),
  v.check(
    ({ type, dims, data }) => dims.reduce((product, dim) => product * dim, DEFAULTS.elementBytes[type]) === data.byteLength,
    "a tensor's bytes fit its type and dimensions",
  ),
);

/** Tensors by the names that the model gives its inputs or outputs. */
export type Tensors = Readonly<Record<string, Tensor>>;
const Tensors: v.GenericSchema<unknown, Tensors> = v.pipe(
  v.record(v.pipe(v.string(), v.maxLength(DEFAULTS.name)), Tensor),
  v.check((tensors) => Object.keys(tensors).length <= DEFAULTS.tensors, `a set has at most ${DEFAULTS.tensors} tensors`),
);

/** An ONNX file as tiles, in order, each by its SHA-256. */
export type ModelTiles = readonly { readonly hash: Bytes; readonly sizeBytes: number }[];
const ModelTiles: v.GenericSchema<unknown, ModelTiles> = v.pipe(
  v.array(
    v.strictObject({
      hash: v.pipe(v.instance(Uint8Array<ArrayBuffer>), v.length(32)),
      sizeBytes: v.pipe(natural, v.minValue(1), v.maxValue(TASK_LIMITS.inlineBytes)),
    }),
  ),
  v.minLength(1),
  v.maxLength(TASK_LIMITS.tiles),
);

/**
 * Port: runs models. The implementation fetches and checks the tiles, and may keep a loaded model for the next part.
 */
export interface OnnxRunner {
  /**
   * Resolves with the outputs of one run. Throws INPUT_UNAVAILABLE, MODEL_UNSUPPORTED, ENGINE_FAILED, or the signal's
   * reason.
   */
  run(model: ModelTiles, inputs: Tensors, context: RunContext): Promise<Tensors>;
}

/** `multiplyAdds`: those of one run, as the requester measures them, for the price. */
export interface MlInferenceData {
  readonly model: ModelTiles;
  readonly sets: readonly Tensors[];
  readonly multiplyAdds: number;
}

const Params = v.strictObject({ model: ModelTiles, multiplyAdds: v.pipe(natural, v.minValue(1)) });
const Sets = v.pipe(v.array(Tensors), v.minLength(1), v.maxLength(DEFAULTS.sets));

/** Models run by `runner`; a requester needs none. Value: the outputs of each set, in order. */
export const mlInferenceBy = (runner: OnnxRunner | undefined): KindCode<MlInferenceData, readonly Tensors[]> => ({
  split({ model, sets, multiplyAdds }) {
    const params = readParams(Params, { model, multiplyAdds });
    const checked = sets.map((set) => readParams(Tensors, set));
    return [...cutByBytes(checked, DEFAULTS.sets, DEFAULTS.partBytes, sizeOf)].map((run) => {
      const input = encode(run) as Bytes; // cborg allocates plain buffers
      if (input.byteLength > TASK_LIMITS.inlineBytes) throw badInput("one set of inputs does not fit one task");
      return { params, input };
    });
  },

  async run({ params, input }, context) {
    if (runner === undefined) throw badInput("models are not run here");
    const { model } = readParams(Params, params);
    const outputs: Tensors[] = [];
    for (const set of readParams(Sets, decoded(input))) {
      context.signal.throwIfAborted();
      outputs.push(await runner.run(model, set, context));
      context.progress();
    }
    return encode(outputs) as Bytes; // as above
  },

  join({ sets }, outputs) {
    const values = outputs.flatMap((output) => readParams(Sets, decoded(output)));
    if (values.length !== sets.length) throw badInput("outputs for each set");
    return values;
  },

  near(a, b) {
    try {
      return nearTensors(readParams(Sets, decoded(a)), readParams(Sets, decoded(b)));
    } catch {
      return false; // these are no tensors
    }
  },

  weigh({ params, input }) {
    const { multiplyAdds } = readParams(Params, params);
    return Math.max(1, Math.ceil((multiplyAdds * readParams(Sets, decoded(input)).length) / 1_000_000));
  },
});

const sizeOf = (set: Tensors): number =>
  Object.entries(set).reduce((sum, [name, { data }]) => sum + name.length + data.byteLength + 128, 8);

function decoded(bytes: Bytes): unknown {
  try {
    return decode(bytes);
  } catch {
    throw badInput("not CBOR"); // what the decoder says does not help a person
  }
}
