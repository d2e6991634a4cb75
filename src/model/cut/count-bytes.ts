// Counts the weights of each layer, of the embedding and of the head: what placement weighs spans by.
import type { CuttableModel } from "./cuttable-model.ts";
import { externalRange } from "../graph/read-onnx.ts";
import { type WalkBounds, walkSpan } from "./walk-span.ts";

export interface ByteCounts {
  /** By layer. Tables that several layers read (rotary caches) count in each. */
  readonly layerBytes: number[];
  readonly embeddingBytes: number;
  readonly headBytes: number;
}

/** Bytes of external weights by part of the model. */
export function countBytes(model: CuttableModel): ByteCounts {
  const { boundaries, layers, layerCount } = model;
  const boundary = (index: number): readonly string[] => boundaries[index] ?? [];
  const first = layers.caches[0] ?? [];
  const last = layers.caches[layerCount - 1] ?? [];
  return {
    layerBytes: layers.caches.map((caches, layer) =>
      weigh(model, {
        wanted: [...caches.map((cache) => cache.present), ...boundary(layer + 1)],
        given: boundary(layer),
        hasTokens: layer === 0,
        caches,
      }),
    ),
    embeddingBytes: weigh(model, { wanted: boundary(0), given: [], hasTokens: true, caches: first }),
    headBytes: weigh(model, { wanted: [layers.logits.name], given: boundary(layerCount), hasTokens: layerCount === 0, caches: last }),
  };
}

function weigh(model: CuttableModel, bounds: WalkBounds): number {
  const ranges = new Map<string, number>();
  for (const name of walkSpan(model, bounds).initializers) {
    const tensor = model.graph.initializers.get(name);
    const range = tensor === undefined ? undefined : externalRange(tensor);
    if (range !== undefined) ranges.set(`${range.file} ${range.offset}`, range.length);
  }
  return [...ranges.values()].reduce((sum, bytes) => sum + bytes, 0);
}
