// Heads and head size of a cache: as the file says, or else as the attention that reads the cache says.
import type { CacheKind } from "../graph/cache-name.ts";
import type { Graph } from "../graph/graph.ts";
import type { GraphNode } from "../graph/graph-node.ts";
import { attribute, type Dimension } from "../graph/read-onnx.ts";
import type { WidthInference } from "../graph/tensor-width.ts";

export interface HeadShape {
  readonly heads: number;
  readonly headSize: number;
}

/** Undefined if nothing in the graph says it. Newer exports of the genai builder leave the head size of caches open. */
export function findHeadShape(graph: Graph, widths: WidthInference, past: string, present: string, kind: CacheKind): HeadShape | undefined {
  const [heads, headSize] = kind === "pair" ? [2, 4] : [1, 3];
  const said = [graph.inputs.get(past)?.dims, graph.outputs.get(present)?.dims].filter((dims) => dims?.length === headSize + 1);
  const number = (index: number): number | undefined => said.map((dims) => dims?.[index]).find(isLength);
  const reader = (graph.consumers.get(past) ?? []).map((index) => graph.nodes[index]).find((node) => node?.proto.opType !== "Shape");
  const read = reader === undefined ? undefined : attentionShape(reader, widths);
  const found = { heads: number(heads) ?? read?.heads, headSize: number(headSize) ?? read?.headSize };
  return found.heads === undefined || found.headSize === undefined ? undefined : { heads: found.heads, headSize: found.headSize };
}

const isLength = (dim: Dimension | undefined): dim is number => typeof dim === "number" && dim >= 1;

function attentionShape({ proto }: GraphNode, widths: WidthInference): HeadShape | undefined {
  const width = (input: number): number | undefined => widths.of(proto.input[input] ?? "")?.width;
  const count = (name: string): number => Number(attribute(proto, name)?.i ?? 0n);
  const over = (whole: number | undefined, parts: number, heads: number): HeadShape | undefined =>
    whole === undefined || parts === 0 || whole % parts !== 0 ? undefined : { heads, headSize: whole / parts };
  const heads = count("num_heads");
  switch (proto.opType) {
    case "GroupQueryAttention": {
      const kvHeads = count("kv_num_heads");
      // Without a key of its own, query, key and value are packed into the first input.
      return (proto.input[1] ?? "") === "" ? over(width(0), heads + 2 * kvHeads, kvHeads) : over(width(1), kvHeads, kvHeads);
    }
    case "MultiHeadAttention":
    case "DecoderMaskedMultiHeadAttention":
      return over(width(0), heads, heads);
    case "Attention":
      return over(width(1), 3 * heads, heads);
    default:
      return undefined;
  }
}
