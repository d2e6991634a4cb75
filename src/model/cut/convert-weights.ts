// Plans the conversion of block-quantized weights for WebAssembly, whose kernel for them
// is several times slower than the one for f32. Each MatMulNBits becomes a FusedMatMul
// over weights that the engine's worker unpacks once, while loading.
import { create } from "@bufbuild/protobuf";
import type { ConvertedSpan, PackedBytes, WeightConversion } from "../../protocol/span-plan.ts";
import { GraphProtoSchema, ModelProtoSchema, type NodeProto, type TensorProto, TensorProtoSchema } from "../graph/onnx_pb.ts";
import { asExternal, attribute, ElementType, externalRange, intAttribute, makeNode, readOnnx, writeOnnx } from "../graph/read-onnx.ts";

const MICROSOFT = "com.microsoft";
/** Inputs of MatMulNBits, by position (ONNX Runtime's contrib operators). */
const INPUT = Object.freeze({ activations: 0, packed: 1, scales: 2, zeroPoints: 3, groupIndex: 4, bias: 5 });

/**
 * The span's graph with every MatMulNBits over f32 activations replaced, and how to unpack
 * its weights. Undefined if there is none to replace. Graph nodes with reordered groups,
 * other widths than 4 and 8 bits, or f16 scales beside f16 activations stay as they are.
 */
export function planConversion(graphBytes: Uint8Array): ConvertedSpan | undefined {
  const { model, graph } = readOnnx(graphBytes);
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const conversions: WeightConversion[] = [];
  const unpacked: TensorProto[] = [];
  const replaced = new Set<string>();
  const node = graph.node.flatMap((candidate): NodeProto[] => {
    const conversion = candidate.opType === "MatMulNBits" ? planNode(candidate, initializers, `unpacked-${conversions.length}`) : undefined;
    if (!conversion) return [candidate];
    const weight = `${candidate.name || candidate.output[0]}.unpacked`;
    conversions.push(conversion);
    unpacked.push(f32External(weight, conversion));
    for (const input of candidate.input.slice(INPUT.packed, INPUT.bias)) replaced.add(input);
    return withFloatWeights(candidate, weight);
  });
  if (conversions.length === 0) return undefined;
  const used = new Set(node.flatMap((entry) => entry.input));
  const initializer = [...graph.initializer.filter((tensor) => !replaced.has(tensor.name) || used.has(tensor.name)), ...unpacked];
  const dropped = graph.initializer.filter((tensor) => replaced.has(tensor.name) && !used.has(tensor.name));
  return {
    graph: writeOnnx(create(ModelProtoSchema, { ...model, graph: create(GraphProtoSchema, { ...graph, node, initializer }) })),
    conversions,
    unusedFiles: dropped.flatMap((tensor) => externalRange(tensor)?.file ?? []),
  };
}

function planNode(node: NodeProto, initializers: ReadonlyMap<string, TensorProto>, path: string): WeightConversion | undefined {
  const input = (index: number): TensorProto | undefined => initializers.get(node.input[index] ?? "");
  const int = (name: string): number => Number(attribute(node, name)?.i ?? 0n);
  const [packed, scales] = [input(INPUT.packed), input(INPUT.scales)];
  const hasZeroPoints = (node.input[INPUT.zeroPoints] ?? "") !== "";
  const zeroPoints = input(INPUT.zeroPoints);
  const bits = int("bits");
  if ((node.input[INPUT.groupIndex] ?? "") !== "" || !packed || !scales || (bits !== 4 && bits !== 8)) return undefined;
  // f16 scales stand beside f16 activations, and FusedMatMul on the CPU does not multiply these by f32 weights.
  if (scales.dataType !== ElementType.FLOAT || (hasZeroPoints && zeroPoints?.dataType !== ElementType.UINT8)) return undefined;
  return {
    bits,
    rows: int("N"),
    columns: int("K"),
    blockSize: int("block_size"),
    packed: bytesOf(packed),
    scales: bytesOf(scales),
    zeroPoints: zeroPoints && bytesOf(zeroPoints),
    path,
  };
}

function bytesOf(tensor: TensorProto): PackedBytes {
  const range = externalRange(tensor);
  if (range) return { kind: "file", path: range.file };
  const inline = tensor.rawData.byteLength > 0 ? tensor.rawData.slice() : new Uint8Array(Float32Array.from(tensor.floatData).buffer);
  return { kind: "inline", bytes: inline };
}

function f32External(name: string, { rows, columns, path }: WeightConversion): TensorProto {
  const tensor = create(TensorProtoSchema, { name, dataType: ElementType.FLOAT, dims: [BigInt(rows), BigInt(columns)] });
  return asExternal(tensor, { file: path, offset: 0, length: rows * columns * 4 });
}

/**
 * `activations · weightᵀ`, plus the bias if there is one. The weights keep their row-major `[rows, columns]` layout.
 */
function withFloatWeights(node: NodeProto, weight: string): NodeProto[] {
  const bias = node.input[INPUT.bias] ?? "";
  const output = node.output[0] ?? "";
  const product = bias === "" ? output : `${output}.product`;
  const multiply = makeNode(
    "FusedMatMul",
    `${node.name}.f32`,
    [node.input[INPUT.activations] ?? "", weight],
    [product],
    [intAttribute("transB", 1)],
  );
  multiply.domain = MICROSOFT;
  return bias === "" ? [multiply] : [multiply, makeNode("Add", `${node.name}.bias`, [product, bias], [output])];
}
