// Cuts a model's layers into random spans, for swarms that are drawn.
import type { Span } from "../../src/shared/ids.ts";
import type { Random } from "./random.ts";

/** Returns adjacent spans that cover all layers, at most one more than `cuts`. */
export function cutLayers(random: Random, layerCount: number, cuts: number): readonly Span[] {
  const inner = new Set(Array.from({ length: cuts }, () => random.whole(1, layerCount - 1)));
  const edges = [0, ...[...inner].toSorted((a, b) => a - b), layerCount];
  return edges.slice(1).map((end, index) => ({ start: edges[index] ?? 0, end }));
}
