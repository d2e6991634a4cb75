// Rewrites a span's graph so that the bits of a row do not depend on the step that it is
// computed in: one pass over many positions then gives the same as one position at a
// time. Why and how: docs/decisions.md, "Rows that do not know their step".
import { create } from "@bufbuild/protobuf";
import type { RowInvariantForm, SpanPlan } from "../../protocol/span-plan.ts";
import { type GraphProto, GraphProtoSchema, ModelProtoSchema, type NodeProto } from "../graph/onnx_pb.ts";
import { readOnnx, writeOnnx } from "../graph/read-onnx.ts";
import { rewriteGqa } from "./row-invariant-gqa.ts";
import { Constants, NodeList } from "./row-invariant-graph.ts";
import { cachedTensors, causalBias, rewriteAttention, rewriteMha, rewriteProduct, rewriteSoftmax } from "./row-invariant-plain.ts";
import { lengthSwitches, productBreaks } from "./step-breaks.ts";

/** Operators that choose their scale over the whole step, so that a row depends on the other rows. */
const STEP_WIDE = new Set(["DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "QAttention"]);

/** Operators whose row-invariant form makes a step up to a tenth slower. */
const DEAR = new Set(["Softmax", "Attention", "MultiHeadAttention"]);

/**
 * The row-invariant form of a span's graph, without its conversion, or the reason why it
 * has none. Pure: the same graph gives the same bytes.
 */
export function makeRowInvariant(graphBytes: Uint8Array, plan: SpanPlan): RowInvariantForm {
  const { model, graph } = readOnnx(graphBytes);
  const opset = Number(model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version ?? 0n);
  if (graph.node.some((node) => STEP_WIDE.has(node.opType)))
    return { kind: "refused", reason: "its activations are quantized dynamically, with one scale for all rows of a step" };
  if (plan.caches.length === 0) return { kind: "refused", reason: "it has no cache" };
  const constants = new Constants();
  const head = new NodeList("rows", constants);
  const lengths = stepLengths(head, plan);
  const rewrite = rewriter({ graph, plan, opset, constants, head, lengths });
  const node: NodeProto[] = [];
  for (const proto of graph.node) {
    const rewritten = rewrite(proto);
    if (typeof rewritten === "string") return { kind: "refused", reason: rewritten };
    node.push(...rewritten);
  }
  const rewritten = create(GraphProtoSchema, {
    ...graph,
    node: usedNodes([...head.nodes, ...node], graph),
    initializer: [...graph.initializer, ...constants.tensors],
  });
  const breaks = new Set([...productBreaks(Math.max(...plan.caches.map(({ headSize }) => headSize))), ...lengthSwitches(graph)]);
  return {
    kind: "graph",
    graph: writeOnnx(create(ModelProtoSchema, { ...model, graph: rewritten })),
    converted: undefined,
    isFree: !graph.node.some(({ opType }) => DEAR.has(opType)),
    stepBreaks: [...breaks].toSorted((a, b) => a - b),
  };
}

/** The graph nodes that the outputs need: a mask that nothing reads any more would still be computed. */
function usedNodes(nodes: readonly NodeProto[], { output }: GraphProto): NodeProto[] {
  const makers = new Map(nodes.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const used = new Set<NodeProto>();
  const waiting = output.map(({ name }) => name);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const maker = makers.get(name);
    if (maker === undefined || used.has(maker)) continue;
    used.add(maker);
    waiting.push(...namesRead(maker));
  }
  return nodes.filter((node) => used.has(node));
}

/** Names that a node and its subgraphs read. The subgraphs' own names are among them, which does no harm. */
const namesRead = (node: NodeProto): readonly string[] => [
  ...node.input,
  ...node.attribute.flatMap(({ g }) => (g === undefined ? [] : [...g.node.flatMap(namesRead), ...g.output.map(({ name }) => name)])),
];

interface RewriteContext {
  readonly graph: GraphProto;
  readonly plan: SpanPlan;
  readonly opset: number;
  readonly constants: Constants;
  /** Graph nodes in front of all others. */
  readonly head: NodeList;
  readonly lengths: StepLengths;
}

/**
 * Returns a function that gives the nodes in place of each node of the graph, or a string that says why there are none.
 */
function rewriter({ graph, plan, opset, constants, head, lengths }: RewriteContext): (node: NodeProto) => readonly NodeProto[] | string {
  const cached = cachedTensors(graph, plan);
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  let isOneRow: string | undefined;
  let causal: string | undefined;
  return (node) => {
    switch (node.opType) {
      case "GroupQueryAttention":
        isOneRow ??= head.add("Squeeze", "is-one-row", [head.add("Equal", "is-one", [lengths.rows, constants.integers([1])])]);
        return rewriteGqa(node, { graph, constants, isOneRow, caches: plan.caches });
      case "MultiHeadAttention":
      case "Attention": {
        causal ??= causalBias(head, constants, lengths.past, lengths.rows);
        const context = { constants, opset, causal, caches: plan.caches };
        return node.opType === "Attention" ? rewriteAttention(node, context) : rewriteMha(node, context);
      }
      case "Softmax":
        return rewriteSoftmax(node, constants, opset);
      case "MatMul":
        return cached.has(node.input[1] ?? "") ? rewriteProduct(node, constants, (name) => makers.get(name)) : [node];
      default:
        return [node];
    }
  };
}

/** Names of tensors with one element: rows of the step, and positions in the cache. */
interface StepLengths {
  readonly rows: string;
  readonly past: string;
}

function stepLengths(head: NodeList, plan: SpanPlan): StepLengths {
  const length = (part: string, tensor: string, axis: number): string =>
    head.slice(part, head.add("Shape", `${part}-shape`, [tensor]), 0, axis, axis + 1);
  return {
    rows: length("count", plan.tokens ?? plan.boundaryIn[0]?.name ?? "", 1),
    past: length("past-count", plan.caches[0]?.past ?? "", 2),
  };
}
