// Graph nodes around a span that give all models the same inputs and outputs: int64 ids,
// and one layout for all kinds of caches.
import { create } from "@bufbuild/protobuf";
import type { BoundaryTensor, CacheTensor } from "../../protocol/span-plan.ts";
import type { IntegerInput, LayerCache } from "./find-layers.ts";
import { type NodeProto, type TensorProto, TensorProtoSchema, type ValueInfoProto } from "../graph/onnx_pb.ts";
import { ElementType, int64Tensor, intAttribute, makeNode, valueInfo } from "../graph/read-onnx.ts";

/** What the plan says (`seen`), and what has to stand in the graph for that. */
export interface Adapter<Seen> {
  readonly seen: Seen;
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly constants: readonly TensorProto[];
  readonly before: readonly NodeProto[];
  readonly after: readonly NodeProto[];
}

const NOTHING = { outputs: [], constants: [], before: [], after: [] } as const;

/** An integer input `[1, positions]`. It is fed as int64, even if the graph takes int32. */
export function adaptInteger(input: IntegerInput): Adapter<string> {
  const dims = input.name === "attention_mask" ? ["batch_size", "total_sequence_length"] : ["batch_size", "sequence_length"];
  if (input.type === "int64") return { ...NOTHING, seen: input.name, inputs: [valueInfo(input.name, ElementType.INT64, dims)] };
  const seen = `${input.name}.int64`;
  const cast = makeNode("Cast", `${input.name}.cast`, [seen], [input.name], [intAttribute("to", ElementType.INT32)]);
  return { ...NOTHING, seen, inputs: [valueInfo(seen, ElementType.INT64, dims)], before: [cast] };
}

/** The constant 0 in place of an input that says how many rows of logits to keep: it keeps all of them. */
export function adaptKeptRows({ name, type }: IntegerInput, rank: number): Adapter<undefined> {
  const zero = create(TensorProtoSchema, {
    name,
    dataType: type === "int64" ? ElementType.INT64 : ElementType.INT32,
    dims: Array.from({ length: rank }, () => 1n),
    rawData: new Uint8Array(type === "int64" ? 8 : 4),
  });
  return { ...NOTHING, seen: undefined, inputs: [], constants: [zero] };
}

/**
 * A cache `[1, heads, positions, headSize]`, fed and returned. A pair `[2, 1, heads, …]` has the same bytes as
 * `[1, 2 * heads, …]`, so a Reshape on either side is enough.
 */
export function adaptCache(cache: LayerCache): Adapter<CacheTensor> {
  const type = cache.type === "float32" ? ElementType.FLOAT : ElementType.FLOAT16;
  const isPair = cache.kind === "pair";
  const heads = isPair ? 2 * cache.heads : cache.heads;
  const [past, present] = isPair ? [`${cache.past}.flat`, `${cache.present}.flat`] : [cache.past, cache.present];
  const seen: CacheTensor = { past, present, type: cache.type, heads, headSize: cache.headSize };
  const inputs = [valueInfo(past, type, ["batch_size", heads, "past_sequence_length", cache.headSize])];
  const outputs = [valueInfo(present, type, ["batch_size", heads, "total_sequence_length", cache.headSize])];
  if (!isPair) return { ...NOTHING, seen, inputs, outputs };
  const pairShape = `${cache.past}.shape`;
  const flatShape = `${cache.present}.shape`;
  return {
    seen,
    inputs,
    outputs,
    constants: [int64Tensor(pairShape, [2, 1, cache.heads, -1, cache.headSize]), int64Tensor(flatShape, [1, heads, -1, cache.headSize])],
    before: [makeNode("Reshape", `${cache.past}.pair`, [past, pairShape], [cache.past])],
    after: [makeNode("Reshape", `${cache.present}.flatten`, [cache.present, flatShape], [present])],
  };
}

/** A boundary tensor that comes in. A Cast narrows it if it is a half float inside the graph but crosses as a float. */
export function adaptBoundaryIn(tensor: BoundaryTensor, isWidened: boolean): Adapter<BoundaryTensor> {
  const name = isWidened ? `${tensor.name}.wide` : tensor.name;
  const narrow = makeNode("Cast", `${tensor.name}.narrow`, [name], [tensor.name], [intAttribute("to", ElementType.FLOAT16)]);
  return { ...NOTHING, seen: { ...tensor, name }, inputs: [boundaryInfo(tensor, name)], before: isWidened ? [narrow] : [] };
}

/**
 * A boundary tensor that goes out. If it only passes through, it needs a second name: an
 * input of a graph cannot be its output.
 */
export function adaptBoundaryOut(tensor: BoundaryTensor, isWidened: boolean, isPassed: boolean): Adapter<BoundaryTensor> {
  const name = `${tensor.name}${isWidened ? ".wide" : ""}${isPassed ? ".passed" : ""}`;
  const after = isWidened
    ? [makeNode("Cast", `${name}.cast`, [tensor.name], [name], [intAttribute("to", ElementType.FLOAT)])]
    : isPassed
      ? [makeNode("Identity", name, [tensor.name], [name])]
      : [];
  return { ...NOTHING, seen: { ...tensor, name }, inputs: [], outputs: [boundaryInfo(tensor, name)], after };
}

const FLOAT_CODE = { float32: ElementType.FLOAT, float16: ElementType.FLOAT16 } as const;

/** A tensor of floats with one row for each position. */
export function boundaryInfo({ type, width }: Omit<BoundaryTensor, "name">, name: string): ValueInfoProto {
  return valueInfo(name, FLOAT_CODE[type], ["batch_size", "sequence_length", width]);
}
