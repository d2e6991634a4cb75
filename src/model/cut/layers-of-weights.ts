// Which layers read which weights: a peer that holds one of these layers has the weights' tiles.
import type { Span } from "../../shared/ids.ts";
import type { CuttableModel } from "./cuttable-model.ts";
import { spanBounds, walkSpan } from "./walk-span.ts";

/**
 * Layers of `span`, ascending, by the weights that they read. The embedding counts to the
 * model's first layer, the head to its last.
 */
export function layersOfWeights(model: CuttableModel, span: Span): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (let layer = span.start; layer < span.end; layer++) {
    const { initializers } = walkSpan(model, spanBounds(model, { start: layer, end: layer + 1 }));
    for (const name of initializers) found.set(name, [...(found.get(name) ?? []), layer]);
  }
  return found;
}
