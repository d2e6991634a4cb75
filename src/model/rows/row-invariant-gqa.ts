// GroupQueryAttention in row-invariant form: steps of one row use the products for two or more rows.
import type { CacheTensor } from "../../protocol/span-plan.ts";
import type { GraphProto, NodeProto, TensorProto } from "../graph/onnx_pb.ts";
import { attribute, ElementType, intAttribute, makeNode, valueInfo } from "../graph/read-onnx.ts";
import { branch, type Constants, floatAttribute, graphAttribute, NodeList } from "./row-invariant-graph.ts";

/** Inputs of GroupQueryAttention, by position (ONNX Runtime's contrib operators). */
const INPUT = Object.freeze({
  query: 0,
  key: 1,
  value: 2,
  pastKey: 3,
  pastValue: 4,
  last: 5,
  total: 6,
  cos: 7,
  sin: 8,
  positions: 9,
  rest: 10,
  sink: 11,
});

export interface GqaContext {
  readonly graph: GraphProto;
  readonly constants: Constants;
  /** Name of the bool that says whether a step has one row. */
  readonly isOneRow: string;
  readonly caches: readonly CacheTensor[];
}

/**
 * Returns an If. A step of one row computes the products of all query heads of a key/value head at once, so that the
 * runtime uses its kernel for several rows. A step of more rows takes the fused node as it is. Both sum in the same
 * order, so their bits are the same. If the node cannot be rewritten, returns the reason as a string.
 */
export function rewriteGqa(node: NodeProto, { graph, constants, isOneRow, caches }: GqaContext): NodeProto[] | string {
  const input = (index: number): string => node.input[index] ?? "";
  const int = (name: string): number => Number(attribute(node, name)?.i ?? 0n);
  const cache = caches.find(({ past }) => past === input(INPUT.pastKey));
  const [output, presentKey, presentValue] = node.output;
  if (node.input.slice(INPUT.rest).some((name) => name !== "") || int("smooth_softmax") === 1 || (attribute(node, "softcap")?.f ?? 0) !== 0)
    return "its attention has a bias, a sink or a cap";
  if (cache === undefined || output === undefined || presentKey === undefined || presentValue === undefined)
    return "its attention has no cache of its own";
  const [heads, kvHeads] = [int("num_heads"), int("kv_num_heads")];
  const size = cache.headSize;
  const group = heads / kvHeads;
  const list = new NodeList(`${node.name || output}/one-row`, constants);
  const isHalf = cache.type === "float16";

  const rotated = rotate(node, list, { graph, constants, heads, kvHeads, size });
  if (typeof rotated === "string") return rotated;
  const { query, key, value } = rotated;
  const append = (part: string, past: string, row: string): string =>
    list.add("Concat", `${part}-all`, [past, list.reshape(part, row, [1, kvHeads, 1, size])], [intAttribute("axis", 2)]);
  const keys = append("key", input(INPUT.pastKey), key);
  const values = append("value", input(INPUT.pastValue), value);
  const wide = (part: string, tensor: string): string =>
    isHalf ? list.add("Cast", `${part}-wide`, [tensor], [intAttribute("to", ElementType.FLOAT)]) : tensor;

  const rows = wide("query", list.reshape("query-rows", query, [1, kvHeads, group, size]));
  const scale = attribute(node, "scale")?.f ?? 0;
  const scores = list.addOwn(
    "FusedMatMul",
    "scores",
    [rows, wide("keys", keys)],
    [intAttribute("transB", 1), floatAttribute("alpha", scale === 0 ? 1 / Math.sqrt(size) : scale)],
  );
  const weights = softmax(list, constants, scores, int("local_window_size"));
  // A group of one head has one row. A second row, which is dropped again, keeps the
  // runtime from its kernel for single rows.
  const padded = group > 1 ? weights : list.add("Concat", "twice", [weights, weights], [intAttribute("axis", 2)]);
  const product = list.add("MatMul", "attended", [padded, wide("values", values)]);
  const kept = group > 1 ? product : list.slice("once", product, 2, 0, 1);
  const narrow = isHalf ? list.add("Cast", "narrow", [kept], [intAttribute("to", ElementType.FLOAT16)]) : kept;
  const joined = list.reshape("joined", narrow, [1, 1, heads * size]);

  const type = isHalf ? ElementType.FLOAT16 : ElementType.FLOAT;
  const infos = (names: readonly string[]) => [
    valueInfo(names[0] ?? "", type, ["batch_size", "sequence_length", heads * size]),
    ...names.slice(1).map((name) => valueInfo(name, type, ["batch_size", kvHeads, "total_sequence_length", size])),
  ];
  const fusedNames = node.output.map((name) => `${name}.fused`);
  const fused = makeNode(
    node.opType,
    `${node.name}/rows`,
    isHalf ? node.input : withSink(node, constants, heads),
    fusedNames,
    node.attribute,
  );
  fused.domain = node.domain;
  return [
    makeNode(
      "If",
      `${node.name || output}/by-rows`,
      [isOneRow],
      [output, presentKey, presentValue],
      [
        graphAttribute("then_branch", branch("one-row", list.nodes, infos([joined, keys, values]))),
        graphAttribute("else_branch", branch("rows", [fused], infos(fusedNames))),
      ],
    ),
  ];
}

/**
 * The node's inputs, with a sink of minus infinity for each head. It adds nothing, and keeps the runtime from its flash
 * kernel, which sums in another order than the plain products. Half floats have no flash kernel.
 */
function withSink(node: NodeProto, constants: Constants, heads: number): string[] {
  const before = Array.from({ length: INPUT.sink }, (_, index) => node.input[index] ?? "");
  return [...before, constants.floats(Array.from({ length: heads }, () => -Infinity))];
}

interface Rotation {
  readonly graph: GraphProto;
  readonly constants: Constants;
  readonly heads: number;
  readonly kvHeads: number;
  readonly size: number;
}

/**
 * Query, key and value of one row, each `[1, 1, heads * size]`, after the rotary
 * embedding. A string says why there are none.
 */
function rotate(
  node: NodeProto,
  list: NodeList,
  { graph, constants, heads, kvHeads, size }: Rotation,
): { readonly query: string; readonly key: string; readonly value: string } | string {
  const input = (index: number): string => node.input[index] ?? "";
  const isPacked = input(INPUT.key) === "";
  if (Number(attribute(node, "do_rotary")?.i ?? 0n) === 0) {
    if (!isPacked) return { query: input(INPUT.query), key: input(INPUT.key), value: input(INPUT.value) };
    const [query = "", key = "", value = ""] = list.split("qkv", input(INPUT.query), [heads * size, kvHeads * size, kvHeads * size]);
    return { query, key, value };
  }
  const turned = tableWidth(graph, input(INPUT.cos));
  if (turned === undefined) return "its rotary tables have no known width";
  const position = list.add("Reshape", "position", [
    list.add("Cast", "last", [input(INPUT.positions) || input(INPUT.last)], [intAttribute("to", ElementType.INT64)]),
    constants.integers([1]),
  ]);
  const turn = (part: string, tensor: string, count: number): string =>
    list.addOwn(
      "RotaryEmbedding",
      part,
      [tensor, position, input(INPUT.cos), input(INPUT.sin)],
      [
        intAttribute("interleaved", Number(attribute(node, "rotary_interleaved")?.i ?? 0n)),
        intAttribute("num_heads", count),
        ...(2 * turned === size ? [] : [intAttribute("rotary_embedding_dim", 2 * turned)]),
      ],
    );
  if (!isPacked) {
    return {
      query: turn("turned-query", input(INPUT.query), heads),
      key: turn("turned-key", input(INPUT.key), kvHeads),
      value: input(INPUT.value),
    };
  }
  const [both = "", value = ""] = list.split("qkv", input(INPUT.query), [(heads + kvHeads) * size, kvHeads * size]);
  const [query = "", key = ""] = list.split("qk", turn("turned", both, heads + kvHeads), [heads * size, kvHeads * size]);
  return { query, key, value };
}

/** The softmax over the row, or over its last `window` positions: earlier positions get the weight 0. */
function softmax(list: NodeList, constants: Constants, scores: string, window: number): string {
  const axis = [intAttribute("axis", -1)];
  if (window <= 0) return list.add("Softmax", "weights", [scores], axis);
  const lately = list.add("Softmax", "weights-lately", [list.slice("lately", scores, 3, -window, 2 ** 31 - 1)], axis);
  const length = (part: string, tensor: string): string =>
    list.slice(`${part}-length`, list.add("Shape", `${part}-shape`, [tensor]), 0, 3, 4);
  const before = list.add("Sub", "before", [length("all", scores), length("lately", lately)]);
  const zeros = constants.integers([0, 0, 0]);
  const pads = list.add("Concat", "pads", [zeros, before, zeros, constants.integers([0])], [intAttribute("axis", 0)]);
  return list.add("Pad", "weights", [lately, pads]);
}

/** Number of columns of a rotary table, which is an initializer or the output of an If. */
function tableWidth(graph: GraphProto, name: string): number | undefined {
  const table = graph.initializer.find((tensor) => tensor.name === name);
  if (table !== undefined) return lastDim(table);
  const maker = graph.node.find((node) => node.output.includes(name));
  if (maker === undefined) return undefined;
  if (maker.opType === "Constant") return lastDim(attribute(maker, "value")?.t);
  const chosen = attribute(maker, "then_branch")?.g;
  const inner = chosen?.output[maker.output.indexOf(name)]?.name;
  return chosen && inner !== undefined ? (tableWidth(chosen, inner) ?? tableWidth(graph, inner)) : undefined;
}

const lastDim = (tensor: TensorProto | undefined): number | undefined => {
  const dim = tensor?.dims.at(-1);
  return dim === undefined ? undefined : Number(dim);
};
