// Turns the bytes of an ONNX file into its messages and back. Weights stay views into the
// bytes: nothing is copied or decoded.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ManyhandsError } from "../../shared/errors.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./onnx_pb.ts";

/** Element type codes of ONNX (TensorProto.DataType). */
export const ElementType = TensorProto_DataType;

/** The name that plans use for an element type which may cross between spans; undefined for all other types. */
export function floatType(type: number): "float32" | "float16" | undefined {
  if (type === ElementType.FLOAT) return "float32";
  return type === ElementType.FLOAT16 ? "float16" : undefined;
}

/** A dimension: a length, or the name of one that is known only at run time. */
export type Dimension = number | string;

/** Element type code and dimensions of a tensor, as far as the file says. */
export interface TensorInfo {
  readonly type: number;
  readonly dims: readonly Dimension[] | undefined;
}

/**
 * Parses a ModelProto. The `rawData` of tensors are views into `bytes`. Throws MODEL_CORRUPT if the bytes are no
 * protobuf (cut short, or another kind of file) and MODEL_UNSUPPORTED if they parse but hold no graph.
 */
export function readOnnx(bytes: Uint8Array): { readonly model: ModelProto; readonly graph: GraphProto } {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new ManyhandsError("MODEL_CORRUPT", "this is not an ONNX file, or it is cut short: it does not parse", { cause });
  }
  const graph = model.graph;
  if (graph === undefined || graph.node.length === 0 || graph.output.length === 0 || model.opsetImport.length === 0) {
    throw new ManyhandsError("MODEL_UNSUPPORTED", "this file holds no ONNX graph; a decoder exported to ONNX with a KV cache is needed");
  }
  return { model, graph };
}

/** A model as bytes. The same messages give the same bytes. */
export function writeOnnx(model: ModelProto): Uint8Array<ArrayBuffer> {
  return toBinary(ModelProtoSchema, model);
}

/** What a graph's input, output or value says about its tensor; undefined if it is no plain tensor. */
export function tensorInfo(value: ValueInfoProto): TensorInfo | undefined {
  if (value.type?.value.case !== "tensorType") return undefined;
  const { elemType, shape } = value.type.value.value;
  return {
    type: elemType,
    dims: shape?.dim.map((dim) => (dim.value.case === "dimValue" ? Number(dim.value.value) : (dim.value.value ?? ""))),
  };
}

/** A named tensor for a graph's inputs or outputs. */
export function valueInfo(name: string, type: number, dims: readonly Dimension[]): ValueInfoProto {
  const dim = dims.map((length): TensorShapeProto_Dimension =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof length === "number" ? { case: "dimValue", value: BigInt(length) } : { case: "dimParam", value: length },
    }),
  );
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value: { elemType: type, shape: { dim } } } } });
}

/** A node of our own making. */
export function makeNode(
  opType: string,
  name: string,
  input: readonly string[],
  output: readonly string[],
  attribute: readonly AttributeProto[] = [],
): NodeProto {
  return create(NodeProtoSchema, { opType, name, input: [...input], output: [...output], attribute: [...attribute] });
}

export function intAttribute(name: string, value: number): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
}

/** A one-dimensional int64 tensor with its values inside the graph. */
export function int64Tensor(name: string, values: readonly number[]): TensorProto {
  const raw = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, index) => raw.setBigInt64(index * 8, BigInt(value), true));
  return create(TensorProtoSchema, {
    name,
    dataType: ElementType.INT64,
    dims: [BigInt(values.length)],
    rawData: new Uint8Array(raw.buffer),
  });
}

/** A node's attribute by name. */
export function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((entry) => entry.name === name);
}

/** Where a tensor's bytes lie: a range of a file beside the graph. */
export interface TensorRange {
  readonly file: string;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/**
 * The range of a tensor outside the graph; undefined for one inside. Throws
 * MODEL_UNSUPPORTED if the file does not say its length.
 */
export function externalRange(tensor: TensorProto): TensorRange | undefined {
  if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) return undefined;
  const entries = new Map(tensor.externalData.map((entry) => [entry.key, entry.value]));
  const file = entries.get("location");
  const offset = Number(entries.get("offset") ?? "0");
  const length = Number(entries.get("length") ?? tensorBytes(tensor.dataType, tensor.dims.map(Number)));
  if (file === undefined || !Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new ManyhandsError("MODEL_UNSUPPORTED", `the weights of "${tensor.name}" lie in another file, but the graph does not say where`);
  }
  return { file, offset, length };
}

/** The same tensor without its bytes, stored in `range` instead. */
export function asExternal(tensor: TensorProto, range: TensorRange): TensorProto {
  const entries = { location: range.file, offset: String(range.offset), length: String(range.length) };
  return create(TensorProtoSchema, {
    name: tensor.name,
    dataType: tensor.dataType,
    dims: tensor.dims,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });
}

const ELEMENT_BITS = new Map<number, number>([
  [ElementType.FLOAT, 32],
  [ElementType.UINT8, 8],
  [ElementType.INT8, 8],
  [ElementType.UINT16, 16],
  [ElementType.INT16, 16],
  [ElementType.INT32, 32],
  [ElementType.INT64, 64],
  [ElementType.BOOL, 8],
  [ElementType.FLOAT16, 16],
  [ElementType.DOUBLE, 64],
  [ElementType.UINT32, 32],
  [ElementType.UINT64, 64],
  [ElementType.BFLOAT16, 16],
  [ElementType.UINT4, 4],
  [ElementType.INT4, 4],
]);

/** Bytes of a dense tensor; undefined for element types without a fixed size. */
export function tensorBytes(type: number, dims: readonly number[]): number | undefined {
  const bits = ELEMENT_BITS.get(type);
  return bits === undefined ? undefined : Math.ceil((dims.reduce((product, length) => product * length, 1) * bits) / 8);
}
