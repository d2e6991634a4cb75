// Infers the dimensions of every tensor in a decoder's graph, as far as they follow from
// its inputs, and the small integers that the graph computes from them.
import { readCacheName } from "./cache-name.ts";
import type { Graph } from "./graph.ts";
import { inferDims } from "./infer-dims.ts";
import { inferValues } from "./infer-values.ts";
import { addSizes, MAX_VALUES, type NodeFacts, pastSize, SEQUENCE, type Size, sizeOf, type TensorFacts } from "./size.ts";
import type { AttributeProto, TensorProto } from "./onnx_pb.ts";
import { attribute, ElementType, type TensorInfo } from "./read-onnx.ts";

const UNKNOWN: TensorFacts = { dims: undefined, values: undefined };

/** Facts by tensor name. Batches hold one sequence. Linear time. */
export function inferSizes(graph: Graph): ReadonlyMap<string, TensorFacts> {
  const facts = new Map<string, TensorFacts>();
  for (const [name, tensor] of graph.initializers) facts.set(name, tensorFacts(tensor));
  const { inputs, named } = inputFacts(graph);
  for (const [name, dims] of inputs) facts.set(name, { dims, values: undefined });
  const of = (name: string | undefined): TensorFacts => (name === undefined || name === "" ? undefined : facts.get(name)) ?? UNKNOWN;
  for (const { proto, part, outputs } of graph.nodes) {
    const constant = proto.opType === "Constant" ? constantFacts(proto.attribute) : undefined;
    const node: NodeFacts = {
      op: part === "whole" ? proto.opType : "SkipLayerNormalization",
      dims: (input) => of(proto.input[input]).dims,
      values: (input) => of(proto.input[input]).values,
      attribute: (name) => attribute(proto, name),
      inputs: proto.input.length,
      outputs: proto.output.length,
    };
    const dims = constant === undefined ? inferDims(node) : [constant.dims];
    const values = constant === undefined ? inferValues(node) : constant.values;
    for (const name of outputs) {
      const index = part === "whole" ? proto.output.indexOf(name) : 0;
      const found = dims[index] ?? declaredDims(graph, name, named);
      facts.set(name, { dims: found, values: index === 0 && (values?.length ?? 0) <= MAX_VALUES ? values : undefined });
    }
  }
  return facts;
}

/** Dimensions of the inputs, and the sizes that the file's names for dimensions stand for. */
function inputFacts(graph: Graph): { readonly inputs: ReadonlyMap<string, readonly Size[]>; readonly named: ReadonlyMap<string, Size> } {
  const inputs = new Map<string, readonly Size[]>();
  const named = new Map<string, Size>();
  const describe = (name: string, info: TensorInfo, sizes: readonly Size[]): void => {
    if (info.dims !== undefined && info.dims.length !== sizes.length) return;
    const dims = sizes.map((size, index) => (typeof info.dims?.[index] === "number" ? sizeOf(info.dims[index]) : size));
    inputs.set(name, dims);
    info.dims?.forEach((dim, index) => {
      const size = sizes[index];
      if (typeof dim === "string" && dim !== "" && size !== undefined) named.set(dim, size);
    });
  };
  const one = sizeOf(1);
  const pasts = [...graph.inputs].filter(([name]) => readCacheName(name, "past") !== undefined);
  for (const [name, info] of pasts) {
    const rank = info.dims?.length ?? 0;
    const past = pastSize(String(info.dims?.[rank - 2] ?? ""));
    const rest = info.dims?.map((dim, index) => (typeof dim === "number" ? sizeOf(dim) : index === rank - 2 ? past : undefined)) ?? [];
    // The batch, before the heads, is one, whatever the file calls it. A head size without a number stays unknown.
    rest[rank - 4] = one;
    if (rest.every((size) => size !== undefined)) describe(name, info, rest);
    const dimension = info.dims?.[rank - 2];
    if (typeof dimension === "string") named.set(dimension, past);
  }
  const pastNames = new Set(pasts.map(([, info]) => String(info.dims?.at(-2) ?? "")));
  const [pastName] = pastNames;
  for (const [name, info] of graph.inputs) {
    if (name === "input_ids" || name === "position_ids") describe(name, info, [one, SEQUENCE]);
    // If caches differ in length (windows), the mask's length is not a known sum.
    else if (name === "attention_mask" && pastName !== undefined && pastNames.size === 1)
      describe(name, info, [one, addSizes(pastSize(pastName), SEQUENCE)]);
    else if (info.dims?.length === 0 || (info.dims?.length === 1 && info.dims[0] === 1))
      inputs.set(
        name,
        info.dims.map(() => one),
      );
  }
  return { inputs, named };
}

/** What the file says about a tensor; undefined unless each of its dimensions is a number or a known name. */
function declaredDims(graph: Graph, name: string, named: ReadonlyMap<string, Size>): readonly Size[] | undefined {
  const dims = (graph.values.get(name) ?? graph.outputs.get(name))?.dims?.map((dim) =>
    typeof dim === "number" ? sizeOf(dim) : named.get(dim),
  );
  return dims?.every((size) => size !== undefined) ? dims : undefined;
}

/** Dimensions of stored values, and the values themselves if they are a few integers. */
function tensorFacts(tensor: TensorProto): TensorFacts {
  const dims = tensor.dims.map((dim) => sizeOf(Number(dim)));
  return { dims, values: dims.length > 1 ? undefined : integers(tensor)?.map((value) => sizeOf(value)) };
}

function constantFacts(attributes: readonly AttributeProto[]): TensorFacts {
  const [entry] = attributes;
  if (entry?.t !== undefined) return tensorFacts(entry.t);
  if (entry?.name === "value_int") return { dims: [], values: [sizeOf(Number(entry.i))] };
  if (entry?.name === "value_ints") return { dims: [sizeOf(entry.ints.length)], values: entry.ints.map((value) => sizeOf(Number(value))) };
  return UNKNOWN;
}

/** A few stored integers; undefined for other types, for larger tensors, and for tensors in another file. */
function integers(tensor: TensorProto): number[] | undefined {
  const isWide = tensor.dataType === ElementType.INT64;
  if (!isWide && tensor.dataType !== ElementType.INT32) return undefined;
  const count = tensor.dims.reduce((product, dim) => product * Number(dim), 1);
  if (count > MAX_VALUES) return undefined;
  if (tensor.int64Data.length + tensor.int32Data.length > 0) return [...tensor.int64Data, ...tensor.int32Data].map(Number);
  const { rawData } = tensor;
  if (rawData.byteLength !== count * (isWide ? 8 : 4)) return undefined;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Array.from({ length: count }, (_, index) => (isWide ? Number(view.getBigInt64(8 * index, true)) : view.getInt32(4 * index, true)));
}
