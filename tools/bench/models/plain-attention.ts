// Writes the GroupQueryAttention of a span out in plain operators, as optimum exports it, to measure such exports at
// any size.
import { create } from "@bufbuild/protobuf";
import { type NodeProto, GraphProtoSchema, ModelProtoSchema } from "../../../src/model/graph/onnx_pb.ts";
import { attribute, intAttribute, readOnnx, writeOnnx } from "../../../src/model/graph/read-onnx.ts";
import { Constants, intsAttribute, NodeList } from "../../../src/model/rows/row-invariant-graph.ts";
import { causalBias } from "../../../src/model/rows/row-invariant-plain.ts";
import { makeRowInvariant } from "../../../src/model/rows/row-invariant.ts";
import type { SpanSource } from "../../../src/protocol/span-plan.ts";

/**
 * Expects the form that llama-graph.ts makes: packed queries, keys and values, rotation inside, as many key-value heads
 * as query heads.
 */
export function withPlainAttention(source: SpanSource): SpanSource {
  const { model, graph } = readOnnx(source.graph);
  const { plan } = source;
  const constants = new Constants();
  const head = new NodeList("plain", constants);
  const length = (part: string, tensor: string, axis: number): string =>
    head.slice(part, head.add("Shape", `${part}-shape`, [tensor]), 0, axis, axis + 1);
  const past = length("past-count", plan.caches[0]?.past ?? "", 2);
  const causal = causalBias(head, constants, past, length("count", plan.tokens ?? plan.boundaryIn[0]?.name ?? "", 1));
  const node = graph.node.flatMap((proto) =>
    proto.opType === "GroupQueryAttention" ? writtenOut(proto, source, constants, past, causal) : [proto],
  );
  const bytes = writeOnnx(
    create(ModelProtoSchema, {
      ...model,
      graph: create(GraphProtoSchema, {
        ...graph,
        node: [...head.nodes, ...node],
        initializer: [...graph.initializer, ...constants.tensors],
      }),
    }),
  );
  return { ...source, graph: bytes, converted: undefined, rowInvariant: makeRowInvariant(bytes, plan) };
}

function writtenOut(node: NodeProto, { plan }: SpanSource, constants: Constants, past: string, causal: string): NodeProto[] {
  const [packed = "", , , pastKey = "", pastValue = "", , , cos = "", sin = ""] = node.input;
  const [output = "", presentKey = "", presentValue = ""] = node.output;
  const heads = Number(attribute(node, "num_heads")?.i ?? 0n);
  const size = plan.caches[0]?.headSize ?? 0;
  const list = new NodeList(`${node.name}/plain`, constants);
  const [query = "", key = "", value = ""] = list.split("qkv", packed, [heads * size, heads * size, heads * size]);
  const byHead = (part: string, tensor: string): string =>
    list.add("Transpose", part, [list.reshape(`${part}-heads`, tensor, [0, 0, heads, size])], [intsAttribute("perm", [0, 2, 1, 3])]);
  const turned = (part: string, tensor: string): string =>
    list.addOwn("RotaryEmbedding", part, [byHead(`${part}-by-head`, tensor), past, cos, sin]);
  const keys = list.add("Concat", "keys", [pastKey, turned("key", key)], [intAttribute("axis", 2)], presentKey);
  const values = list.add("Concat", "values", [pastValue, byHead("value", value)], [intAttribute("axis", 2)], presentValue);
  const scaled = list.add("Mul", "scaled", [turned("query", query), constants.floats([attribute(node, "scale")?.f ?? 1])]);
  const scores = list.add("MatMul", "scores", [
    scaled,
    list.add("Transpose", "keys-across", [keys], [intsAttribute("perm", [0, 1, 3, 2])]),
  ]);
  const weights = list.add("Softmax", "weights", [list.add("Add", "masked", [scores, causal])], [intAttribute("axis", -1)]);
  const attended = list.add(
    "Transpose",
    "by-row",
    [list.add("MatMul", "attended", [weights, values])],
    [intsAttribute("perm", [0, 2, 1, 3])],
  );
  list.reshape("joined", attended, [0, 0, -1], output);
  return list.nodes;
}
