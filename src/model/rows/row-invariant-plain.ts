// Attention of plain operators in row-invariant form, and the older fused nodes taken apart into that form.
import type { CacheTensor, SpanPlan } from "../../protocol/span-plan.ts";
import type { GraphProto, NodeProto } from "../graph/onnx_pb.ts";
import { attribute, ElementType, intAttribute } from "../graph/read-onnx.ts";
import { type Constants, floatAttribute, intsAttribute, NodeList } from "./row-invariant-graph.ts";

/**
 * A softmax over the last axis whose sum runs in order: a masked tail of any length then
 * adds nothing to it. A string says why the node cannot be rewritten.
 */
export function rewriteSoftmax(node: NodeProto, constants: Constants, opset: number): NodeProto[] | string {
  const [input = "", output = ""] = [node.input[0], node.output[0]];
  // Before version 13, an axis meant itself and all axes after it. For the last axis that is the same.
  if (Number(attribute(node, "axis")?.i ?? (opset < 13 ? 1n : -1n)) !== -1) return "its softmax does not run over the last axis";
  const list = new NodeList(`${node.name || output}/rows`, constants);
  softmaxNodes(list, constants, input, opset, output);
  return list.nodes;
}

function softmaxNodes(list: NodeList, constants: Constants, scores: string, opset: number, output?: string): string {
  const largest =
    opset < 18
      ? list.add("ReduceMax", "largest", [scores], [intsAttribute("axes", [-1]), intAttribute("keepdims", 1)])
      : list.add("ReduceMax", "largest", [scores, constants.integers([-1])], [intAttribute("keepdims", 1)]);
  const powers = list.add("Exp", "powers", [list.add("Sub", "differences", [scores, largest])]);
  // The runtime's own sum adds in lanes, whose number depends on the length. A product
  // with ones adds one after the other.
  const length = list.slice("length", list.add("Shape", "shape", [scores]), 0, -1, 2 ** 31 - 1);
  const shape = list.add("Concat", "ones-shape", [constants.integers([1]), length], [intAttribute("axis", 0)]);
  // CastLike came with version 15. Graphs of earlier versions have floats here.
  const one = opset < 15 ? constants.floats([1]) : list.add("CastLike", "one", [constants.floats([1]), scores]);
  const ones = list.add("Expand", "ones", [one, shape]);
  const sums = list.addOwn("FusedMatMul", "sums", [powers, ones], [intAttribute("transB", 1)]);
  return list.add("Div", "weights", [powers, sums], [], output);
}

/**
 * The product of two tensors that are made at run time. For a single row the runtime takes
 * another kernel, unless it reads the second factor across. So a transposed factor is read
 * as it lies in memory, and with any other the product gets one row more than it needs.
 */
export function rewriteProduct(node: NodeProto, constants: Constants, makerOf: (name: string) => NodeProto | undefined): NodeProto[] {
  const [a = "", b = "", output = ""] = [node.input[0], node.input[1], node.output[0]];
  const list = new NodeList(`${node.name || output}/rows`, constants);
  const maker = makerOf(b);
  const perm = maker?.opType === "Transpose" ? attribute(maker, "perm")?.ints.map(Number) : undefined;
  const [last, before] = [perm?.at(-1), perm?.at(-2)];
  if (maker === undefined || perm === undefined || last === undefined || before === undefined) {
    productNodes(list, a, b, output);
    return list.nodes;
  }
  const across = [...perm.slice(0, -2), last, before];
  const lying = maker.input[0] ?? "";
  const isPlain = across.every((axis, index) => axis === index);
  const factor = isPlain ? lying : list.add("Transpose", "lying", [lying], [intsAttribute("perm", across)]);
  list.addOwn("FusedMatMul", "product", [a, factor], [intAttribute("transB", 1)], output);
  return list.nodes;
}

function productNodes(list: NodeList, a: string, b: string, output?: string): string {
  const more = list.add("Concat", "one-more", [list.slice("first", a, -2, 0, 1), a], [intAttribute("axis", -2)]);
  const product = list.add("MatMul", "product", [more, b]);
  return list.slice("kept", product, -2, 1, 2 ** 31 - 1, output);
}

export interface FusedContext {
  readonly constants: Constants;
  readonly caches: readonly CacheTensor[];
  readonly opset: number;
  /** Name of a float tensor `[rows, positions]`: 0 at positions that a row may see, minus infinity elsewhere. */
  readonly causal: string;
}

/**
 * MultiHeadAttention, taken apart: it sums its softmax over the length of the whole step.
 * A string says why that cannot be done.
 */
export function rewriteMha(node: NodeProto, context: FusedContext): NodeProto[] | string {
  const [query = "", key = "", value = "", bias = "", padding = "", , pastKey = "", pastValue = ""] = node.input;
  if (bias !== "" || padding !== "" || key === "" || value === "") return "its attention has a bias, or packed or padded inputs";
  const heads = Number(attribute(node, "num_heads")?.i ?? 0n);
  const list = new NodeList(`${node.name || node.output[0]}/rows`, context.constants);
  const append = (part: string, past: string, rows: string, output: string | undefined): string =>
    past === "" ? rows : list.add("Concat", part, [past, rows], [intAttribute("axis", 2)], output || undefined);
  const keys = append("keys", pastKey, byHead(list, "key", key, heads), node.output[1]);
  const values = append("values", pastValue, byHead(list, "value", value, heads), node.output[2]);
  return attend(list, node, context, byHead(list, "query", query, heads), keys, values);
}

/** Attention with its own projection, taken apart in the same way. Its cache stays a pair. */
export function rewriteAttention(node: NodeProto, context: FusedContext): NodeProto[] | string {
  const [input = "", weight = "", bias = "", , past = "", more = ""] = node.input;
  const heads = Number(attribute(node, "num_heads")?.i ?? 0n);
  const cache = context.caches.find((entry) => entry.past === past || entry.past === `${past}.flat`);
  const present = node.output[1] ?? "";
  if (
    cache === undefined ||
    present === "" ||
    more !== "" ||
    attribute(node, "qkv_hidden_sizes") !== undefined ||
    Number(attribute(node, "do_rotary")?.i ?? 0n) === 1
  )
    return "its attention has a bias, a rotation or no cache of its own";
  const { constants } = context;
  const list = new NodeList(`${node.name || node.output[0]}/rows`, constants);
  const width = heads * cache.headSize;
  const projected = list.add("MatMul", "projected", [input, weight]);
  const all = bias === "" ? projected : list.add("Add", "biased", [projected, bias]);
  const part = (name: string, index: number): string =>
    byHead(list, name, list.slice(`${name}-part`, all, 2, index * width, (index + 1) * width), heads);
  const append = (name: string, index: number): string => {
    const before = list.add("Gather", `${name}-past`, [past, constants.index(index)], [intAttribute("axis", 0)]);
    return list.add("Concat", `${name}-all`, [before, part(name, index + 1)], [intAttribute("axis", 2)]);
  };
  const [keys, values] = [append("key", 0), append("value", 1)];
  const stacked = [keys, values].map((tensor, index) => list.reshape(`stacked-${index}`, tensor, [1, 1, heads, -1, cache.headSize]));
  list.add("Concat", "present", stacked, [intAttribute("axis", 0)], present);
  return attend(list, node, context, part("query", 0), keys, values);
}

/** From `[1, rows, heads * size]` to `[1, heads, rows, size]`. */
function byHead(list: NodeList, part: string, tensor: string, heads: number): string {
  return list.add(
    "Transpose",
    `${part}-by-head`,
    [list.reshape(`${part}-heads`, tensor, [0, 0, heads, -1])],
    [intsAttribute("perm", [0, 2, 1, 3])],
  );
}

function attend(list: NodeList, node: NodeProto, context: FusedContext, query: string, keys: string, values: string): NodeProto[] | string {
  const { constants, caches, opset, causal } = context;
  const [cache] = caches;
  if (cache === undefined) return "it has no cache";
  const isHalf = cache.type === "float16";
  const wide = (part: string, tensor: string): string =>
    isHalf ? list.add("Cast", `${part}-wide`, [tensor], [intAttribute("to", ElementType.FLOAT)]) : tensor;
  const scale = attribute(node, "scale")?.f ?? 0;
  const scores = list.addOwn(
    "FusedMatMul",
    "scores",
    [wide("query", query), wide("keys", keys)],
    [intAttribute("transB", 1), floatAttribute("alpha", scale === 0 ? 1 / Math.sqrt(cache.headSize) : scale)],
  );
  const weights = softmaxNodes(list, constants, list.add("Add", "causal", [scores, causal]), opset);
  const product = productNodes(list, weights, wide("values", values));
  const byRow = list.add("Transpose", "by-row", [product], [intsAttribute("perm", [0, 2, 1, 3])]);
  const output = node.output[0] ?? "";
  if (!isHalf) list.reshape("joined", byRow, [0, 0, -1], output);
  else list.add("Cast", "narrow", [list.reshape("joined", byRow, [0, 0, -1])], [intAttribute("to", ElementType.FLOAT16)], output);
  return list.nodes;
}

/** The bias of a causal mask. The lengths of step and cache are enough for it, because no padding reaches a span. */
export function causalBias(list: NodeList, constants: Constants, pastLength: string, rowCount: string): string {
  const scalar = (part: string, tensor: string): string => list.add("Squeeze", part, [tensor]);
  const past = scalar("past", pastLength);
  const total = list.add("Add", "total", [past, scalar("rows-of-step", rowCount)]);
  const one = constants.index(1);
  const rows = list.reshape("row-column", list.add("Range", "row-positions", [past, total, one]), [-1, 1]);
  const columns = list.add("Range", "column-positions", [constants.index(0), total, one]);
  const hidden = list.add("Greater", "hidden", [columns, rows]);
  return list.add("Where", "causal", [hidden, constants.floats([-Infinity]), constants.floats([0])]);
}

/**
 * Tensors that hold the content of a cache, however it was reshaped. Products of run-time
 * rows with these belong to attention.
 */
export function cachedTensors(graph: GraphProto, plan: SpanPlan): ReadonlySet<string> {
  const found = new Set(plan.caches.map(({ past }) => past));
  const ends = new Set(["MatMul", "FusedMatMul", "Softmax", "Shape", "GroupQueryAttention", "MultiHeadAttention", "Attention"]);
  for (const before = { size: -1 }; before.size < found.size;) {
    before.size = found.size;
    for (const node of graph.node)
      if (!ends.has(node.opType) && node.input.some((name) => found.has(name))) for (const name of node.output) found.add(name);
  }
  return found;
}
