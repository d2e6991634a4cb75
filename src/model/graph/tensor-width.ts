// Element type and width (last dimension) of tensors inside a graph, inferred if the file does not say them.
import { attribute, ElementType, floatType } from "./read-onnx.ts";
import type { Graph } from "./graph.ts";
import type { GraphNode } from "./graph-node.ts";
import { constantOf, sameSize, SEQUENCE, type TensorFacts } from "./size.ts";

export interface TensorWidth {
  /** ONNX element type code. */
  readonly type: number;
  /** Length of the last dimension; undefined if it is not known before run time. */
  readonly width: number | undefined;
  /** Whether it has, as far as is known, a row for each new position: `[1, positions, width]`. */
  readonly isRows: boolean;
}

type Found = Omit<TensorWidth, "isRows">;

/** Operators whose output has the type and width of their widest input. */
const KEEPS_WIDTH = new Set(
  "Add Sub Mul Div Pow Sqrt Neg Sigmoid Tanh Relu Gelu FastGelu BiasGelu QuickGelu Erf Silu Swish Identity Dropout SimplifiedLayerNormalization LayerNormalization RMSNormalization SkipSimplifiedLayerNormalization SkipLayerNormalization RotaryEmbedding Softmax Clip Where".split(
    " ",
  ),
);

/** Infers widths for one graph, and remembers what it found. */
export class WidthInference {
  readonly #graph: Graph;
  readonly #sizes: ReadonlyMap<string, TensorFacts>;
  readonly #known = new Map<string, TensorWidth | undefined>();

  constructor(graph: Graph, sizes: ReadonlyMap<string, TensorFacts>) {
    this.#graph = graph;
    this.#sizes = sizes;
  }

  /** Type and width of a tensor; undefined if nothing is known. All calls together take linear time. */
  of(name: string): TensorWidth | undefined {
    if (this.#known.has(name)) return this.#known.get(name);
    // The graph is sorted: if producers are inferred first, in order, the recursion stays one level deep.
    this.#known.set(name, undefined);
    const found = this.#declared(name) ?? this.#inferred(name);
    const sized = found === undefined ? undefined : this.#sized(name, found);
    this.#known.set(name, sized);
    return sized;
  }

  /** Sizes that follow from the graph's inputs are more reliable than the rules of thumb for operators. */
  #sized(name: string, found: Found): TensorWidth {
    const dims = this.#sizes.get(name)?.dims;
    if (dims === undefined) return { ...found, isRows: true };
    const isRows = dims.length === 3 && constantOf(dims[0]) === 1 && dims[1] !== undefined && sameSize(dims[1], SEQUENCE);
    return { type: found.type, width: constantOf(dims.at(-1)), isRows };
  }

  #declared(name: string): Found | undefined {
    const tensor = this.#graph.initializers.get(name);
    if (tensor !== undefined) return { type: tensor.dataType, width: Number(tensor.dims.at(-1) ?? 1n) };
    const info = this.#graph.values.get(name) ?? this.#graph.inputs.get(name) ?? this.#graph.outputs.get(name);
    const width = info?.dims?.at(-1);
    return info === undefined || info.type === 0 || typeof width !== "number" || width < 1 ? undefined : { type: info.type, width };
  }

  #inferred(name: string): Found | undefined {
    const index = this.#graph.producer.get(name);
    const node = index === undefined ? undefined : this.#graph.nodes[index];
    if (node === undefined) return undefined;
    const { proto } = node;
    const input = (position: number): TensorWidth | undefined => {
      const from = proto.input[position] ?? "";
      return from === "" ? undefined : this.of(from);
    };
    const like = (position: number, width: number | undefined): Found | undefined => {
      const type = input(position)?.type;
      return type === undefined ? undefined : { type, width };
    };
    if (node.part !== "whole" || KEEPS_WIDTH.has(proto.opType)) return this.#widest(node);
    switch (proto.opType) {
      case "MatMul":
        return like(0, input(1)?.width);
      case "Gemm":
        return like(0, attribute(proto, "transB")?.i === 1n ? this.#firstDim(proto.input[1]) : input(1)?.width);
      case "MatMulNBits":
        return like(0, Number(attribute(proto, "N")?.i ?? 0n) || undefined);
      case "Gather":
        return like(0, input(0)?.width);
      case "EmbedLayerNormalization":
        return like(2, input(2)?.width);
      case "Transpose":
        return like(0, this.#transposedWidth(node));
      case "MultiHeadAttention":
        return like(0, input(2)?.width ?? input(0)?.width);
      case "GroupQueryAttention":
        return like(0, this.#groupedWidth(node));
      case "Attention":
        return like(0, input(0)?.width);
      case "Cast":
        return { type: Number(attribute(proto, "to")?.i ?? 0n), width: input(0)?.width };
      case "Shape":
      case "Size":
      case "Range":
        return { type: ElementType.INT64, width: undefined };
      default:
        return like(0, undefined);
    }
  }

  /** Element-wise operators broadcast: the output is as wide as the widest input. */
  #widest(node: GraphNode): Found | undefined {
    let best: Found | undefined;
    for (const name of node.inputs) {
      const width = this.of(name);
      if (width === undefined || floatType(width.type) === undefined) continue;
      if (best === undefined || (width.width ?? 0) > (best.width ?? 0)) best = width;
    }
    return best;
  }

  #firstDim(name: string | undefined): number | undefined {
    const dim = this.#graph.initializers.get(name ?? "")?.dims[0];
    return dim === undefined ? undefined : Number(dim);
  }

  #transposedWidth(node: GraphNode): number | undefined {
    const last = attribute(node.proto, "perm")?.ints.at(-1);
    const dims = this.#graph.initializers.get(node.proto.input[0] ?? "")?.dims;
    const dim = last === undefined ? undefined : dims?.[Number(last)];
    return dim === undefined ? undefined : Number(dim);
  }

  /** Query heads times head size: the width of a separate query, or the query's part of packed query, key and value. */
  #groupedWidth(node: GraphNode): number | undefined {
    const width = this.of(node.proto.input[0] ?? "")?.width;
    if (width === undefined || (node.proto.input[1] ?? "") !== "") return width;
    const heads = Number(attribute(node.proto, "num_heads")?.i ?? 0n);
    const kvHeads = Number(attribute(node.proto, "kv_num_heads")?.i ?? 0n);
    return heads === 0 ? undefined : (width / (heads + 2 * kvHeads)) * heads;
  }
}
