// Counts the work of each layer and of the head, and finds the word for how the weights are stored.
import type { CuttableModel } from "./cuttable-model.ts";
import type { NodeProto } from "../graph/onnx_pb.ts";
import { attribute, ElementType } from "../graph/read-onnx.ts";
import { partBounds, type WalkBounds, walkSpan } from "./walk-span.ts";

export interface Costs {
  /** Multiply-adds with weights for one token, by layer. Attention over the past comes on top, and grows with it. */
  readonly layerCost: number[];
  readonly headCost: number;
}

/** Operators that multiply by a table of weights, which is their second input. */
const PRODUCTS = new Set(["MatMul", "Gemm", "MatMulInteger", "DynamicQuantizeMatMul", "FusedMatMul", "Attention", "QAttention"]);
/** Operators that give weights another form. The weights are their first input. */
const FORMS = new Set(["DequantizeLinear", "Transpose", "Cast", "Reshape", "Identity"]);

export function countCost(model: CuttableModel): Costs {
  const { layers, head } = partBounds(model);
  return { layerCost: layers.map((bounds) => weigh(model, bounds)), headCost: weigh(model, head) };
}

function weigh(model: CuttableModel, bounds: WalkBounds): number {
  const products = new Set(walkSpan(model, bounds).nodes.map((index) => model.graph.nodes[index]?.proto));
  let sum = 0;
  for (const node of products) if (node !== undefined) sum += multiplyAdds(model, node);
  return sum;
}

function multiplyAdds(model: CuttableModel, node: NodeProto): number {
  if (node.opType === "MatMulNBits" || node.opType === "MatMulBnb4")
    return Number(attribute(node, "K")?.i ?? 0n) * Number(attribute(node, "N")?.i ?? 0n);
  return PRODUCTS.has(node.opType) ? weightElements(model, node.input[1] ?? "") : 0;
}

/** Elements of the weights behind a tensor; 0 if it is not made of weights alone. */
function weightElements(model: CuttableModel, name: string): number {
  const tensor = model.graph.initializers.get(name);
  if (tensor !== undefined) return tensor.dims.reduce((product, length) => product * Number(length), 1);
  const maker = model.graph.nodes[model.graph.producer.get(name) ?? -1]?.proto;
  return maker !== undefined && FORMS.has(maker.opType) ? weightElements(model, maker.input[0] ?? "") : 0;
}

/** By element type: the hub's word for weights of that type. */
const NAMES = new Map<number, string>([
  [ElementType.FLOAT, "fp32"],
  [ElementType.FLOAT16, "fp16"],
  [ElementType.BFLOAT16, "bf16"],
  [ElementType.INT8, "q8"],
  [ElementType.UINT8, "q8"],
  [ElementType.INT4, "q4"],
  [ElementType.UINT4, "q4"],
]);

/** How most weights of products are stored: `fp32`, `fp16`, `q8`, `q4`, or `q4f16` if hidden states are half floats. */
export function describeDtype(model: CuttableModel): string {
  const elements = new Map<string, number>();
  const add = (name: string, count: number): void => void elements.set(name, (elements.get(name) ?? 0) + count);
  for (const { proto } of model.graph.nodes) {
    const cost = multiplyAdds(model, proto);
    if (cost === 0) continue;
    if (proto.opType.startsWith("MatMulNBits")) add(`q${Number(attribute(proto, "bits")?.i ?? 4n)}`, cost);
    else if (proto.opType === "MatMulBnb4") add("bnb4", cost);
    else add(NAMES.get(storedType(model, proto.input[1] ?? "")) ?? "mixed", cost);
  }
  const [most] = [...elements].toSorted((a, b) => b[1] - a[1])[0] ?? ["mixed"];
  const isHalf = model.widened.size > 0 || [...model.crossing.values()].some((tensor) => tensor.type === "float16");
  return isHalf && /^(?:q|bnb)/.test(most) ? `${most}f16` : most;
}

/** Element type of the weights behind a tensor. */
function storedType(model: CuttableModel, name: string): number {
  const tensor = model.graph.initializers.get(name);
  if (tensor !== undefined) return tensor.dataType;
  const maker = model.graph.nodes[model.graph.producer.get(name) ?? -1]?.proto;
  return maker === undefined ? 0 : storedType(model, maker.input[0] ?? "");
}
