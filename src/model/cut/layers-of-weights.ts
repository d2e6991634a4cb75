// Which layers read which weights: whoever holds one of these layers has the weights' tiles.
import type { Span } from "../../shared/ids.ts";
import type { CuttableModel } from "./cuttable-model.ts";
import { walkSpan } from "./walk-span.ts";

/** Layers of `span` by the weights that they read. The embedding counts to the first layer of the model, the head to the last. */
export function layersOfWeights(model: CuttableModel, span: Span): ReadonlyMap<string, readonly number[]> {
  const { layers, boundaries, layerCount } = model;
  const found = new Map<string, number[]>();
  for (let layer = span.start; layer < span.end; layer++) {
    const caches = layers.caches[layer] ?? [];
    const isFirst = layer === 0;
    const isLast = layer === layerCount - 1;
    const { initializers } = walkSpan(model, {
      wanted: [...caches.map((cache) => cache.present), ...(isLast ? [layers.logits.name] : (boundaries[layer + 1] ?? []))],
      given: isFirst ? [] : (boundaries[layer] ?? []),
      hasTokens: isFirst,
      caches,
    });
    for (const name of initializers) found.set(name, [...(found.get(name) ?? []), layer]);
  }
  return found;
}
