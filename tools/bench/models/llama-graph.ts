// The ONNX graph of a Llama of any size, in the form of onnxruntime-genai's model builder. It names the weights; others
// make them.
import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from "../../../src/model/graph/onnx_pb.ts";
import { asExternal, ElementType, int64Tensor, intAttribute, valueInfo, writeOnnx } from "../../../src/model/graph/read-onnx.ts";

export interface LlamaShape {
  readonly layers: number;
  /** Hidden width. */
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Width of the feed-forward part. */
  readonly feedForward: number;
  readonly vocabulary: number;
  /** Positions of the rotary tables. */
  readonly context: number;
  /** Bits of the weights of layers and head. 4 and 8 use MatMulNBits in blocks of 32, like the builder. Default 32. */
  readonly bits?: 32 | 8 | 4;
}

/** How a tensor's values are made. */
export type WeightKind = "matrix" | "projection" | "norm" | "cos" | "sin" | "packed" | "scales" | "projection-scales";

/** Values that share a scale. */
export const BLOCK_SIZE = 32;

export interface LlamaWeight {
  readonly name: string;
  readonly dims: readonly number[];
  readonly kind: WeightKind;
}

const MICROSOFT = "com.microsoft";
const EPSILON = 1e-5;
const MASK = "/model/attn_mask_reformat/attn_mask_subgraph";

/** Returns the bytes of a weight. The dims of a packed weight count bytes. */
export function weightBytes({ dims, kind }: LlamaWeight): number {
  return (kind === "packed" ? 1 : 4) * dims.reduce((product, dim) => product * dim, 1);
}

/** Returns the graph, and the weights that `dataFile` must hold, one after the other without a gap. */
export function llamaGraph(
  shape: LlamaShape,
  dataFile: string,
): { readonly graph: Uint8Array<ArrayBuffer>; readonly weights: readonly LlamaWeight[] } {
  const nodes: NodeProto[] = [];
  const weights: LlamaWeight[] = [];
  const node = (opType: string, name: string, input: string[], output: string[], domain = "", attribute: AttributeProto[] = []): string => {
    nodes.push(create(NodeProtoSchema, { opType, name, input, output, domain, attribute }));
    return output[0] ?? "";
  };
  const weight = (name: string, kind: WeightKind, ...dims: number[]): string => {
    weights.push({ name, dims, kind });
    return name;
  };
  const epsilon = create(AttributeProtoSchema, { name: "epsilon", type: AttributeProto_AttributeType.FLOAT, f: EPSILON });

  const mask = maskNodes(node);
  const embedding = weight("model.embed_tokens.weight", "matrix", shape.vocabulary, shape.width);
  let residual = node("Gather", "/model/embed_tokens/Gather", [embedding, "input_ids"], ["/model/embed_tokens/Gather/output_0"]);
  let branch = "";
  /** Adds the norm of the residual stream, to which the last branch is added if there is one. */
  const norm = (base: string, isFinal = false): string => {
    const scale = weight(`${base.slice(1).replaceAll("/", ".")}.weight`, "norm", shape.width);
    if (branch === "") {
      return node("SimplifiedLayerNormalization", `${base}/LayerNorm`, [residual, scale], [`${base}/output_0`], "", [
        intAttribute("axis", -1),
        intAttribute("stash_type", 1),
        epsilon,
      ]);
    }
    const outputs = isFinal ? [`${base}/output_0`] : [`${base}/output_0`, "", "", `${base}/output_3`];
    node("SkipSimplifiedLayerNormalization", `${base}/SkipLayerNorm`, [residual, branch, scale], outputs, MICROSOFT, [epsilon]);
    residual = `${base}/output_3`;
    return `${base}/output_0`;
  };
  const matmul = (base: string, input: string, kind: "matrix" | "projection", rows: number, columns: number, output?: string): string => {
    const name = `${base.slice(1).replaceAll("/", ".")}.MatMul.weight`;
    const outputs = [output ?? `${base}/MatMul/output_0`];
    if (shape.bits === undefined || shape.bits === 32)
      return node("MatMul", `${base}/MatMul`, [input, weight(name, kind, rows, columns)], outputs);
    const blocks = Math.ceil(rows / BLOCK_SIZE);
    const packed = weight(`${name}_Q${shape.bits}`, "packed", columns, blocks, (BLOCK_SIZE * shape.bits) / 8);
    const scales = weight(`${name}_scales`, kind === "matrix" ? "scales" : "projection-scales", columns, blocks);
    return node("MatMulNBits", `${base}/MatMul_Q${shape.bits}`, [input, packed, scales], outputs, MICROSOFT, [
      intAttribute("K", rows),
      intAttribute("N", columns),
      intAttribute("bits", shape.bits),
      intAttribute("block_size", BLOCK_SIZE),
      intAttribute("accuracy_level", 4),
    ]);
  };

  for (let layer = 0; layer < shape.layers; layer++) {
    const base = `/model/layers.${layer}`;
    const attended = attentionNodes(
      node,
      weight,
      shape,
      layer,
      matmul(
        `${base}/attn/qkv_proj`,
        norm(`${base}/input_layernorm`),
        "matrix",
        shape.width,
        (shape.heads + 2 * shape.kvHeads) * shape.headSize,
      ),
      mask,
    );
    branch = matmul(`${base}/attn/o_proj`, attended, "projection", shape.heads * shape.headSize, shape.width);
    const x = norm(`${base}/post_attention_layernorm`);
    const gate = matmul(`${base}/mlp/gate_proj`, x, "matrix", shape.width, shape.feedForward);
    const up = matmul(`${base}/mlp/up_proj`, x, "matrix", shape.width, shape.feedForward);
    const sigmoid = node("Sigmoid", `${base}/mlp/act_fn/Sigmoid`, [gate], [`${base}/mlp/act_fn/Sigmoid/output_0`]);
    const silu = node("Mul", `${base}/mlp/act_fn/Mul`, [gate, sigmoid], [`${base}/mlp/act_fn/Mul/output_0`]);
    const product = node("Mul", `${base}/mlp/Mul`, [silu, up], [`${base}/mlp/Mul/output_0`]);
    branch = matmul(`${base}/mlp/down_proj`, product, "projection", shape.feedForward, shape.width);
  }
  const last = norm(`/model/layers.${shape.layers}/final_norm_layernorm`, true);
  matmul("/lm_head", last, "matrix", shape.width, shape.vocabulary, "logits");
  return { graph: writeGraph(shape, nodes, weights, dataFile), weights };
}

type AddNode = (opType: string, name: string, input: string[], output: string[], domain?: string, attribute?: AttributeProto[]) => string;

/**
 * Computes from the attention mask what GroupQueryAttention wants: the last position of each row and the total length,
 * as int32.
 */
function maskNodes(node: AddNode): readonly [string, string] {
  const constant = (rank: number): string => {
    const value = int64Tensor("", [1]);
    if (rank === 0) value.dims = [];
    const tensor = create(AttributeProtoSchema, { name: "value", type: AttributeProto_AttributeType.TENSOR, t: value });
    return node(
      "Constant",
      `/model/constant_nodes/TensorProto.INT64/${rank}D/1`,
      [],
      [`/model/constants/TensorProto.INT64/${rank}D/1`],
      "",
      [tensor],
    );
  };
  const one = constant(1);
  const step = (opType: string, name: string, inputs: string[], attributes: AttributeProto[] = []): string =>
    node(opType, `${MASK}/${name}`, inputs, [`${MASK}/${name}/output_0`], "", attributes);
  const toInt32 = [intAttribute("to", ElementType.INT32)];
  const last = step("Cast", "Sub/Cast", [step("Sub", "Sub", [step("ReduceSum", "ReduceSum", ["attention_mask", one]), one])], toInt32);
  const total = step(
    "Cast",
    "Gather/Cast",
    [step("Gather", "Gather", [step("Shape", "Shape", ["attention_mask"]), constant(0)], [intAttribute("axis", 0)])],
    toInt32,
  );
  return [last, total];
}

function attentionNodes(
  node: AddNode,
  weight: (name: string, kind: WeightKind, ...dims: number[]) => string,
  shape: LlamaShape,
  layer: number,
  packed: string,
  mask: readonly [string, string],
): string {
  if (layer === 0) for (const kind of ["cos", "sin"] as const) weight(`${kind}_cache`, kind, shape.context, shape.headSize / 2);
  const name = `/model/layers.${layer}/attn/GroupQueryAttention`;
  const scale = create(AttributeProtoSchema, { name: "scale", type: AttributeProto_AttributeType.FLOAT, f: shape.headSize ** -0.5 });
  return node(
    "GroupQueryAttention",
    name,
    [packed, "", "", `past_key_values.${layer}.key`, `past_key_values.${layer}.value`, ...mask, "cos_cache", "sin_cache"],
    [`${name}/output_0`, `present.${layer}.key`, `present.${layer}.value`],
    MICROSOFT,
    [
      intAttribute("num_heads", shape.heads),
      intAttribute("kv_num_heads", shape.kvHeads),
      intAttribute("do_rotary", 1),
      intAttribute("rotary_interleaved", 0),
      scale,
    ],
  );
}

function writeGraph(
  shape: LlamaShape,
  nodes: readonly NodeProto[],
  weights: readonly LlamaWeight[],
  dataFile: string,
): Uint8Array<ArrayBuffer> {
  let offset = 0;
  const initializer = weights.map((weight): TensorProto => {
    const length = weightBytes(weight);
    const dataType = weight.kind === "packed" ? ElementType.UINT8 : ElementType.FLOAT;
    const tensor = asExternal(create(TensorProtoSchema, { name: weight.name, dataType, dims: weight.dims.map(BigInt) }), {
      file: dataFile,
      offset,
      length,
    });
    offset += length;
    return tensor;
  });
  const caches = (kind: string, length: string) =>
    Array.from({ length: shape.layers }, (_, layer) =>
      ["key", "value"].map((part) =>
        valueInfo(`${kind}.${layer}.${part}`, ElementType.FLOAT, ["batch_size", shape.kvHeads, length, shape.headSize]),
      ),
    ).flat();
  const graph = create(GraphProtoSchema, {
    name: "main_graph",
    node: [...nodes],
    initializer,
    input: [
      valueInfo("input_ids", ElementType.INT64, ["batch_size", "sequence_length"]),
      valueInfo("attention_mask", ElementType.INT64, ["batch_size", "total_sequence_length"]),
      ...caches("past_key_values", "past_sequence_length"),
    ],
    output: [
      valueInfo("logits", ElementType.FLOAT, ["batch_size", "sequence_length", shape.vocabulary]),
      ...caches("present", "total_sequence_length"),
    ],
  });
  const opsetImport = [
    { domain: "", version: 14n },
    { domain: MICROSOFT, version: 1n },
  ];
  return writeOnnx(create(ModelProtoSchema, { irVersion: 7n, opsetImport, graph }));
}
