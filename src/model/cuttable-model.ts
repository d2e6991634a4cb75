// A decoder read and ready to be cut: its graph, layers and boundaries, computed once and shared by every cut.
import { ManyhandsError } from "../shared/errors.ts";
import { type Boundary, findBoundaries, findReplicable } from "./find-boundaries.ts";
import { findLayers, floatType, type Layers } from "./find-layers.ts";
import { type Graph, readGraph } from "./graph.ts";
import { WidthInference } from "./tensor-width.ts";
import type { BoundaryTensor } from "../protocol/span-plan.ts";

export interface CuttableModel {
  readonly graph: Graph;
  readonly layers: Layers;
  readonly layerCount: number;
  /** Before each layer and behind the last; the first and last entries part off embedding and head. */
  readonly boundaries: readonly Boundary[];
  /** Element type and width of every boundary tensor. */
  readonly crossing: ReadonlyMap<string, BoundaryTensor>;
  /** Length of the last dimension of the logits. */
  readonly vocabularySize: number;
  /** Width of the hidden states. */
  readonly hiddenWidth: number;
}

/**
 * Reads the bytes of an ONNX file (with or without its weights) as a decoder.
 * Throws MODEL_CORRUPT where the bytes are cut short, MODEL_UNSUPPORTED with the reason and what to export instead.
 */
export function readCuttableModel(bytes: Uint8Array): CuttableModel {
  const graph = readGraph(bytes);
  const layers = findLayers(graph);
  const widths = new WidthInference(graph);
  const boundaries = findBoundaries(graph, layers, findReplicable(graph, layers), widths);
  const crossing = new Map<string, BoundaryTensor>();
  for (const name of boundaries.flat()) {
    const found = widths.of(name);
    const type = found === undefined ? undefined : floatType(found.type);
    if (type === undefined || found?.width === undefined) {
      throw new ManyhandsError(
        "MODEL_UNSUPPORTED",
        `between layers the graph passes on "${name}", which is no float tensor of known width; export it with shape information`,
      );
    }
    crossing.set(name, { name, type, width: found.width });
  }
  const vocabularySize = widths.of(layers.logits.name)?.width;
  if (vocabularySize === undefined)
    throw new ManyhandsError("MODEL_UNSUPPORTED", "the graph does not say the size of its vocabulary; export it with shape information");
  const hiddenWidth = Math.max(...boundaries.flat().map((name) => crossing.get(name)?.width ?? 0));
  return { graph, layers, layerCount: layers.caches.length, boundaries, crossing, vocabularySize, hiddenWidth };
}
