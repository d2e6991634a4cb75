// Finds the tensors that have to cross from one layer to the next: the smallest set of live tensors before every layer.
import { ManyhandsError } from "../../shared/errors.ts";
import type { Layers } from "./find-layers.ts";
import { floatType, tensorBytes } from "../graph/read-onnx.ts";
import type { Graph } from "../graph/graph.ts";
import type { TensorFacts } from "../graph/size.ts";
import { type Edge, minCut, UNCUTTABLE } from "./min-cut.ts";
import type { WidthInference } from "../graph/tensor-width.ts";

/** Tensors that cross a boundary, in the order of their producers: the order on the wire. */
export type Boundary = readonly string[];

/** Costs of a crossing, in bytes of one position. */
const COST = Object.freeze({
  /** A float tensor of unknown width, or not with one row for each position: it crosses only if nothing else can. */
  unknownWidth: 2 ** 20,
  /** A tensor that is not float: wires carry hidden states, not shapes or ids. */
  notFloat: 2 ** 30,
});

/**
 * Whether each graph node can be computed anew in every span at no cost. It can if it depends only on weights, the
 * mask, the positions and shapes, and never on hidden states, token ids or the content of caches.
 */
export function findReplicable(graph: Graph, layers: Layers, sizes: ReadonlyMap<string, TensorFacts>): readonly boolean[] {
  const free = new Set<string>([...graph.initializers.keys()]);
  for (const input of [layers.attentionMask, layers.positionIds, ...layers.keptRows]) if (input !== undefined) free.add(input.name);
  const shapeOnly = new Set([...free, ...graph.inputs.keys()]);
  return graph.nodes.map((node) => {
    const isShape = node.proto.opType === "Shape";
    const given = isShape ? shapeOnly : free;
    const isKnown = isShape && node.outputs.every((name) => sizes.get(name)?.values !== undefined);
    const replicable = isKnown || node.inputs.every((name) => given.has(name));
    for (const name of replicable ? node.outputs : []) {
      free.add(name);
      shapeOnly.add(name);
    }
    return replicable;
  });
}

/**
 * The boundaries before each of L layers and behind the last: L + 1 entries. The first
 * and the last separate embedding and head. Spans are never cut there; these boundaries
 * serve to count bytes. Throws MODEL_UNSUPPORTED if layers cannot be separated.
 */
export function findBoundaries(graph: Graph, layers: Layers, replicable: readonly boolean[], widths: WidthInference): readonly Boundary[] {
  const network = buildNetwork(graph, layers, replicable, widths);
  const logits = graph.producer.get(layers.logits.name) as number; // findLayers has checked that it is made
  const boundaries: Boundary[] = [];
  for (let layer = 0; layer <= layers.anchors.length; layer++) {
    const above = layer === 0 ? tokenReaders(graph, layers, replicable) : layers.anchors.slice(0, layer).flat();
    const below = layer === layers.anchors.length ? [logits] : layers.anchors.slice(layer).flat();
    const terminals = [
      ...above.map((node) => ({ from: network.source, to: node, cost: UNCUTTABLE })),
      ...below.map((node) => ({ from: node, to: network.sink, cost: UNCUTTABLE })),
    ];
    const { cost, sinkSide } = minCut(network.vertices, [...network.edges, ...terminals], network.source, network.sink);
    if (cost >= UNCUTTABLE)
      throw new ManyhandsError(
        "MODEL_UNSUPPORTED",
        `layer ${layer} cannot be separated from the layers before it: they share a cache or a loop`,
      );
    boundaries.push(network.tensors.filter(({ vertex, maker }) => !sinkSide[maker] && sinkSide[vertex]).map(({ name }) => name));
  }
  return boundaries;
}

function tokenReaders(graph: Graph, layers: Layers, replicable: readonly boolean[]): number[] {
  return (graph.consumers.get(layers.tokens.name) ?? []).filter((node) => !replicable[node]);
}

interface Network {
  readonly vertices: number;
  readonly edges: readonly Edge[];
  readonly source: number;
  readonly sink: number;
  /** Tensors that could cross: the graph node that makes each (or the source, for token ids), and its own vertex. */
  readonly tensors: readonly { readonly name: string; readonly maker: number; readonly vertex: number }[];
}

/**
 * Vertices: graph nodes, then source and sink, then one for each tensor: a tensor then
 * costs once, however many nodes read it.
 */
function buildNetwork(graph: Graph, layers: Layers, replicable: readonly boolean[], widths: WidthInference): Network {
  const source = graph.nodes.length;
  const sink = source + 1;
  const edges: Edge[] = [];
  const tensors: { name: string; maker: number; vertex: number }[] = [];
  const connect = (name: string, maker: number): void => {
    const readers = (graph.consumers.get(name) ?? []).filter((node) => !replicable[node]);
    if (readers.length === 0) return;
    const vertex = sink + 1 + tensors.length;
    tensors.push({ name, maker, vertex });
    edges.push({ from: maker, to: vertex, cost: crossingCost(name, widths) });
    for (const reader of readers) {
      edges.push({ from: vertex, to: reader, cost: UNCUTTABLE });
      // A tensor that a node above the boundary reads is made above it.
      edges.push({ from: reader, to: maker, cost: UNCUTTABLE });
    }
  };
  connect(layers.tokens.name, source);
  graph.nodes.forEach((node, index) => {
    if (!replicable[index]) for (const name of node.outputs) connect(name, index);
  });
  return { vertices: sink + 1 + tensors.length, edges, source, sink, tensors };
}

function crossingCost(name: string, widths: WidthInference): number {
  const found = widths.of(name);
  if (found === undefined) return COST.unknownWidth;
  if (floatType(found.type) === undefined) return COST.notFloat;
  return found.width === undefined || !found.isRows ? COST.unknownWidth : (tensorBytes(found.type, [found.width]) ?? COST.unknownWidth);
}
