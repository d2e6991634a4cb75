// Graphs that are no plain decoder are refused, each with its own reason and with advice. Odd decoders are cut.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type CuttableModel, readCuttableModel } from "../../../../src/model/cut/cuttable-model.ts";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  NodeProtoSchema,
} from "../../../../src/model/graph/onnx_pb.ts";
import { ElementType, int64Tensor, makeNode, readOnnx, valueInfo, writeOnnx } from "../../../../src/model/graph/read-onnx.ts";
import { ManyhandsError } from "../../../../src/shared/errors.ts";
import { compareSplits } from "../../../../tools/bench/exactness.ts";
import { llamaGraph } from "../../../../tools/bench/models/llama-graph.ts";
import { SMALL, smallModel } from "../test-models.ts";

function changed(bytes: Uint8Array, change: (graph: GraphProto) => void): Uint8Array<ArrayBuffer> {
  const { model, graph } = readOnnx(bytes);
  change(graph);
  return writeOnnx(model);
}

const llama = (change: (graph: GraphProto) => void): Uint8Array<ArrayBuffer> => changed(llamaGraph(SMALL, "model.onnx.data").graph, change);

/** Renames every tensor whose name matches, wherever it stands. */
function rename(graph: GraphProto, from: RegExp, to: string): void {
  for (const value of [...graph.input, ...graph.output]) value.name = value.name.replace(from, to);
  for (const node of graph.node) {
    node.input = node.input.map((name) => name.replace(from, to));
    node.output = node.output.map((name) => name.replace(from, to));
  }
}

/** Adds an input that the first norm of layer 0 depends on. */
function askFor(graph: GraphProto, name: string): void {
  graph.input.push(valueInfo(name, ElementType.FLOAT, ["batch_size", "sequence_length", SMALL.width]));
  insertBehind(graph, "/model/embed_tokens/Gather/output_0", (from, to) => [makeNode("Add", `${name}.add`, [from, name], [to])]);
}

/** Puts graph nodes between a tensor and all its readers. */
function insertBehind(graph: GraphProto, tensor: string, nodes: (from: string, to: string) => ReturnType<typeof makeNode>[]): void {
  const to = `${tensor}.changed`;
  for (const node of graph.node) node.input = node.input.map((name) => (name === tensor ? to : name));
  graph.node.push(...nodes(tensor, to));
}

/** Moves the first layer's attention into the branches or the body of a node. */
function nest(graph: GraphProto, opType: "If" | "Loop" | "Scan"): void {
  const index = graph.node.findIndex((node) => node.opType === "GroupQueryAttention");
  const attention = graph.node[index];
  if (attention === undefined) throw new Error("no attention");
  const body = create(GraphProtoSchema, {
    name: "body",
    node: [attention],
    output: attention.output.map((name) => valueInfo(name, ElementType.FLOAT, [])),
  });
  const attribute = (opType === "If" ? ["then_branch", "else_branch"] : ["body"]).map((name) =>
    create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.GRAPH, g: body }),
  );
  graph.node[index] = create(NodeProtoSchema, { opType, name: "nested", input: ["attention_mask"], output: attention.output, attribute });
}

function refusal(bytes: Uint8Array): ManyhandsError {
  try {
    readCuttableModel(bytes);
  } catch (error) {
    if (error instanceof ManyhandsError) return error;
    throw error;
  }
  throw new Error("was taken for a decoder");
}

describe("refused, with a reason of its own and advice", () => {
  test.each<[string, (graph: GraphProto) => void, RegExp]>([
    ["no caches", (graph) => rename(graph, /^past_key_values\.(\d+)/, "memory$1"), /no cache inputs.*export a decoder/],
    ["a merged export, recognised by its switch", (graph) => askFor(graph, "use_cache_branch"), /merged export.*only the branch with past/],
    ["a merged export, recognised by its If", (graph) => nest(graph, "If"), /inside an If node.*only the branch with past/],
    ["layers inside a Loop", (graph) => nest(graph, "Loop"), /inside a Loop node.*export a decoder/],
    ["layers inside a Scan", (graph) => nest(graph, "Scan"), /inside a Scan node.*export a decoder/],
    ["a decoder that reads an encoder", (graph) => askFor(graph, "encoder_hidden_states"), /encoder-decoder.*decoder-only/],
    ["caches of an encoder-decoder", (graph) => rename(graph, /^(past_key_values|present)\.(\d+)\./, "$1.$2.decoder."), /encoder-decoder/],
    ["a convolution's state", (graph) => askFor(graph, "past_conv.0"), /hybrid.*decoder-only/],
    ["a state space model's state", (graph) => askFor(graph, "past_ssm_states.1"), /hybrid.*decoder-only/],
    ["a recurrent state", (graph) => askFor(graph, "past_key_values.0.recurrent_state"), /hybrid/],
    ["paged caches", (graph) => askFor(graph, "block_table"), /pages.*use_paged_attention=false/],
    ["embeddings in place of ids", (graph) => rename(graph, /^input_ids$/, "inputs_embeds"), /embeddings.*exclude_embeds/],
    [
      "layers that share a cache",
      (graph) => {
        // The last layer adds the keys of the one before to its own.
        const attention = graph.node.findLast((node) => node.opType === "GroupQueryAttention");
        attention?.output.splice(1, 1, "own.key");
        graph.node.push(makeNode("Add", "shared", ["own.key", "present.1.key"], ["present.2.key"]));
      },
      /"present\.1\.key".*share a cache/,
    ],
    ["an unknown input", (graph) => askFor(graph, "pixel_values"), /does not have: "pixel_values".*export a decoder/],
  ])("%s", (_, change, sentence) => {
    const error = refusal(llama(change));
    expect(error.code).toBe("MODEL_UNSUPPORTED");
    expect(error.message).toMatch(sentence);
  });
});

describe("odd, but cut", () => {
  /** Changes the graph of a small model with weights, and compares a cut at every boundary with one session. */
  async function compare(change: (graph: GraphProto) => void): Promise<CuttableModel> {
    const { folder, remove } = await smallModel();
    try {
      const file = path.join(folder, "model.onnx");
      const bytes = changed(new Uint8Array(await readFile(file)), change);
      await writeFile(file, bytes);
      let compared = 0;
      for await (const result of compareSplits(folder, { prefill: 7, steps: 3, seed: undefined })) {
        expect(result).toMatchObject({ equal: true });
        compared++;
      }
      expect(compared).toBe(3);
      return readCuttableModel(bytes);
    } finally {
      await remove();
    }
  }

  test("a side stream from the embedding: two tensors cross, up to its last reader", async () => {
    const model = await compare((graph) => {
      insertBehind(graph, "/model/layers.1/attn/o_proj/MatMul/output_0", (from, to) => [
        makeNode("Add", "side", [from, "/model/embed_tokens/Gather/output_0"], [to]),
      ]);
    });
    expect(model.boundaries.slice(1, -1).map((boundary) => boundary.length)).toEqual([2, 1]);
  });

  test("an embedding that later layers read again crosses as floats, not as ids", async () => {
    const model = await compare((graph) => {
      graph.node.push(makeNode("Gather", "again", ["model.embed_tokens.weight", "input_ids"], ["again"]));
      insertBehind(graph, "/model/layers.2/attn/o_proj/MatMul/output_0", (from, to) => [makeNode("Add", "side", [from, "again"], [to])]);
    });
    expect(model.boundaries.slice(1, -1).flat()).toContain("again");
    expect([...model.crossing.values()].every(({ type }) => type === "float32")).toBe(true);
  });

  test("an input that says how many logits to keep", async () => {
    await compare((graph) => {
      graph.input.push(valueInfo("num_logits_to_keep", ElementType.INT64, []));
      graph.initializer.push(int64Tensor("keep.shape", [1]), int64Tensor("keep.end", [2 ** 31]), int64Tensor("keep.axis", [1]));
      insertBehind(graph, `/model/layers.${SMALL.layers}/final_norm_layernorm/output_0`, (from, to) => [
        makeNode("Reshape", "keep.list", ["num_logits_to_keep", "keep.shape"], ["keep.list"]),
        makeNode("Neg", "keep.start", ["keep.list"], ["keep.start"]),
        makeNode("Slice", "keep", [from, "keep.start", "keep.end", "keep.axis"], [to]),
      ]);
    });
  });

  test.each([
    ["past_key_0", /^past_key_values\.(\d+)\.(key|value)$/, "past_$2_$1", /^present\.(\d+)\.(key|value)$/, "present_$2_$1"],
    ["past_0.key", /^past_key_values\.(\d+)\.(key|value)$/, "past_$1.$2", /^present\.(\d+)\.(key|value)$/, "present_$1.$2"],
    [
      "past_key_values_0_key",
      /^past_key_values\.(\d+)\.(key|value)$/,
      "past_key_values_$1_$2",
      /^present\.(\d+)\.(key|value)$/,
      "present_$1_$2",
    ],
  ])("caches named %s", async (_, past, pastName, present, presentName) => {
    await compare((graph) => {
      rename(graph, past, pastName);
      rename(graph, present, presentName);
    });
  });

  test("a mask made from the shape of hidden states of the first layer", async () => {
    const model = await compare((graph) => {
      // Adds zeros of [1, positions, 1] to the last layer, their length taken from layer 0's normed input.
      graph.initializer.push(int64Tensor("zeros.index", [0, 1]), int64Tensor("zeros.one", [1]));
      graph.node.push(
        makeNode("Shape", "zeros.shape", ["/model/layers.0/input_layernorm/output_0"], ["zeros.shape"]),
        makeNode("Gather", "zeros.two", ["zeros.shape", "zeros.index"], ["zeros.two"]),
        makeNode(
          "Concat",
          "zeros.three",
          ["zeros.two", "zeros.one"],
          ["zeros.three"],
          [create(AttributeProtoSchema, { name: "axis", type: AttributeProto_AttributeType.INT, i: 0n })],
        ),
        makeNode("ConstantOfShape", "zeros", ["zeros.three"], ["zeros"]),
      );
      insertBehind(graph, "/model/layers.2/attn/o_proj/MatMul/output_0", (from, to) => [makeNode("Add", "side", [from, "zeros"], [to])]);
    });
    expect(model.boundaries.slice(1, -1).map((boundary) => boundary.length)).toEqual([1, 1]);
  });
});
