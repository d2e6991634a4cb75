// A decoder that is ready to be cut: its graph, layers and boundaries, computed once and shared by every cut.
import { ManyhandsError } from "../../shared/errors.ts";
import { type Boundary, findBoundaries, findReplicable } from "./find-boundaries.ts";
import { findLayers, type Layers } from "./find-layers.ts";
import { floatType } from "../graph/read-onnx.ts";
import { type Graph, readGraph } from "../graph/graph.ts";
import { inferSizes } from "../graph/infer-sizes.ts";
import type { TensorFacts } from "../graph/size.ts";
import { WidthInference } from "../graph/tensor-width.ts";
import type { BoundaryTensor } from "../../protocol/span-plan.ts";

export interface CuttableModel {
  readonly graph: Graph;
  /** What is known of each tensor's dimensions. */
  readonly sizes: ReadonlyMap<string, TensorFacts>;
  readonly layers: Layers;
  readonly layerCount: number;
  /**
   * The boundary before each layer, and the one behind the last. The first separates the embedding, the last the head.
   */
  readonly boundaries: readonly Boundary[];
  /** Width of every boundary tensor, and the element type that it crosses in. */
  readonly crossing: ReadonlyMap<string, BoundaryTensor>;
  /** Boundary tensors that are half floats in the graph but cross as floats. */
  readonly widened: ReadonlySet<string>;
  /** Length of the last dimension of the logits. */
  readonly vocabularySize: number;
  /** Width of the hidden states. */
  readonly hiddenWidth: number;
}

/**
 * Reads the bytes of an ONNX file (with or without its weights) as a decoder.
 * Throws MODEL_CORRUPT if the bytes are cut short, MODEL_UNSUPPORTED with the reason and what to export instead.
 */
export function readCuttableModel(bytes: Uint8Array): CuttableModel {
  const graph = readGraph(bytes);
  const sizes = inferSizes(graph);
  const widths = new WidthInference(graph, sizes);
  const layers = findLayers(graph, widths);
  const boundaries = findBoundaries(graph, layers, findReplicable(graph, layers, sizes), widths);
  const stored = new Map(boundaries.flat().map((name) => [name, boundaryTensor(name, widths)]));
  const widened = findWidened(graph, stored, boundaries.slice(1, -1).flat());
  const crossing = new Map(
    [...stored].map(([name, tensor]) => [name, widened.has(name) ? { ...tensor, type: "float32" as const } : tensor]),
  );
  const vocabularySize = widths.of(layers.logits.name)?.width;
  if (vocabularySize === undefined)
    throw new ManyhandsError("MODEL_UNSUPPORTED", "the graph does not say the size of its vocabulary; export it with shape information");
  const hiddenWidth = Math.max(...boundaries.flat().map((name) => crossing.get(name)?.width ?? 0));
  return { graph, sizes, layers, layerCount: layers.caches.length, boundaries, crossing, widened, vocabularySize, hiddenWidth };
}

/**
 * Throws MODEL_UNSUPPORTED for a tensor that cannot cross, because it does not have one
 * row of floats for each position.
 */
function boundaryTensor(name: string, widths: WidthInference): BoundaryTensor {
  const found = widths.of(name);
  const type = found === undefined ? undefined : floatType(found.type);
  if (found !== undefined && !found.isRows)
    throw new ManyhandsError(
      "MODEL_UNSUPPORTED",
      `between layers the graph passes on "${name}", which is not one row of numbers for each position: its layers share a cache or a state; choose a model whose layers pass on hidden states alone`,
    );
  if (type === undefined || found?.width === undefined)
    throw new ManyhandsError(
      "MODEL_UNSUPPORTED",
      `between layers the graph passes on "${name}", which is no float tensor of known width; export it with shape information`,
    );
  return { name, type, width: found.width };
}

/**
 * Half floats that have to cross as floats. If ONNX Runtime has no half kernel on the CPU,
 * it computes in float and rounds only in front of a node that has one. So between plain
 * operators the values are floats, whatever the graph says, and rounding them at a boundary
 * would give other bits than one session does. Fused skip norms round by themselves.
 */
function findWidened(graph: Graph, stored: ReadonlyMap<string, BoundaryTensor>, inner: readonly string[]): ReadonlySet<string> {
  const isHalf = (name: string): boolean => stored.get(name)?.type === "float16";
  const isRounded = (name: string): boolean =>
    /^Skip\w*LayerNormalization$/.test(graph.nodes[graph.producer.get(name) ?? -1]?.proto.opType ?? "");
  return new Set(inner.filter(isHalf).every(isRounded) ? [] : [...stored.keys()].filter(isHalf));
}
