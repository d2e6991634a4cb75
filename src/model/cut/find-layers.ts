// Finds the layers of a decoder by its cache inputs, and the purpose of its other inputs.
import { type CacheKind, readCacheName } from "../graph/cache-name.ts";
import { ElementType, floatType, type TensorInfo } from "../graph/read-onnx.ts";
import { findHeadShape } from "./find-head-shape.ts";
import type { Graph } from "../graph/graph.ts";
import { refuseNested, refuseOtherModels, unsupported } from "./refuse-model.ts";
import type { WidthInference } from "../graph/tensor-width.ts";

/** One cache of one layer, as it stands in the file. */
export interface LayerCache {
  readonly layer: number;
  readonly kind: CacheKind;
  readonly past: string;
  readonly present: string;
  readonly type: "float32" | "float16";
  readonly heads: number;
  readonly headSize: number;
}

/** An integer input: the graph's name for it and its element type. */
export interface IntegerInput {
  readonly name: string;
  readonly type: "int64" | "int32";
}

export interface Layers {
  /** By layer: its caches, key before value. */
  readonly caches: readonly (readonly LayerCache[])[];
  /** By layer: indices of the graph nodes that read its past or make its present. */
  readonly anchors: readonly (readonly number[])[];
  readonly tokens: IntegerInput;
  readonly attentionMask: IntegerInput | undefined;
  readonly positionIds: IntegerInput | undefined;
  /** Inputs that say how many rows of logits to keep. 0 keeps all, so they become constants. */
  readonly keptRows: readonly IntegerInput[];
  readonly logits: { readonly name: string; readonly type: "float32" | "float16" };
}

/** The name logits_to_keep of transformers, and what exporters made of it. */
const KEPT_ROWS = /^(?:num_)?logits_to_keep$/;

/** Throws MODEL_UNSUPPORTED, with what to export instead, if the graph is not one plain decoder. */
export function findLayers(graph: Graph, widths: WidthInference): Layers {
  refuseOtherModels(graph);
  const pasts = new Map<string, { layer: number; kind: CacheKind; info: TensorInfo }>();
  const others = new Map<string, TensorInfo>();
  for (const [name, info] of graph.inputs) {
    const cache = readCacheName(name, "past");
    if (cache === undefined) others.set(name, info);
    else pasts.set(name, { ...cache, info });
  }
  const presents = new Map<string, string>();
  for (const name of graph.outputs.keys()) {
    const cache = readCacheName(name, "present");
    if (cache !== undefined) presents.set(`${cache.layer} ${cache.kind}`, name);
  }
  const caches: LayerCache[][] = [];
  for (const [past, { layer, kind, info }] of pasts) {
    const present = presents.get(`${layer} ${kind}`);
    if (present === undefined) throw unsupported(`the graph reads "${past}" but returns no cache for it`);
    const type = floatType(info.type);
    if (type === undefined) throw unsupported(`the cache "${past}" is neither float32 nor float16`);
    const shape = findHeadShape(graph, widths, past, present, kind);
    if (shape === undefined) throw unsupported(`the cache "${past}" does not say its heads and head size`);
    (caches[layer] ??= []).push({ layer, kind, past, present, type, ...shape });
  }
  for (let layer = 0; layer < caches.length; layer++) {
    const kinds = (caches[layer] ?? []).map((cache) => cache.kind).toSorted();
    if (kinds.join() !== "key,value" && kinds.join() !== "pair") throw unsupported(`layer ${layer} has no key and value cache of its own`);
    caches[layer]?.sort((a, b) => (a.kind < b.kind ? -1 : 1));
  }
  const anchors = caches.map((layer) => findAnchors(graph, layer));
  return { caches, anchors, ...findInputs(graph, others), logits: findLogits(graph) };
}

function findAnchors(graph: Graph, caches: readonly LayerCache[]): number[] {
  const anchors = new Set<number>();
  for (const { past, present } of caches) {
    for (const reader of graph.consumers.get(past) ?? []) if (graph.nodes[reader]?.proto.opType !== "Shape") anchors.add(reader);
    const maker = graph.producer.get(present);
    if (maker === undefined) throw unsupported(`nothing makes "${present}"`);
    anchors.add(maker);
  }
  for (const index of anchors) refuseNested(graph.nodes[index]?.proto.opType ?? "");
  return [...anchors].toSorted((a, b) => a - b);
}

function findInputs(
  graph: Graph,
  others: ReadonlyMap<string, TensorInfo>,
): Pick<Layers, "tokens" | "attentionMask" | "positionIds" | "keptRows"> {
  const read = (name: string, rank: number): IntegerInput | undefined => {
    const info = others.get(name);
    if (info === undefined || !graph.consumers.has(name)) return undefined;
    const type = info.type === ElementType.INT64 ? "int64" : info.type === ElementType.INT32 ? "int32" : undefined;
    if (type === undefined || (info.dims !== undefined && info.dims.length !== rank))
      throw unsupported(`the input "${name}" is not a tensor of integers of rank ${rank}`);
    return { name, type };
  };
  const known = new Set(["input_ids", "attention_mask", "position_ids"]);
  const keptRows: IntegerInput[] = [];
  for (const name of others.keys()) {
    if (known.has(name) || !graph.consumers.has(name)) continue;
    if (!KEPT_ROWS.test(name)) throw unsupported(`the graph asks for an input that a plain decoder does not have: "${name}"`);
    const input = read(name, others.get(name)?.dims?.length ?? 0);
    if (input !== undefined) keptRows.push(input);
  }
  const tokens = read("input_ids", 2);
  if (tokens === undefined) throw unsupported('the graph takes no token ids ("input_ids")');
  return { tokens, keptRows, attentionMask: read("attention_mask", 2), positionIds: read("position_ids", 2) };
}

function findLogits(graph: Graph): Layers["logits"] {
  const info = graph.outputs.get("logits");
  const type = info === undefined ? undefined : floatType(info.type);
  if (type === undefined || !graph.producer.has("logits")) throw unsupported('the graph gives no float "logits"');
  return { name: "logits", type };
}
