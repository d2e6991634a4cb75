// Counts the bytes of weights of each layer, of the embedding and of the head.
import type { CuttableModel } from "./cuttable-model.ts";
import { externalRange } from "../graph/read-onnx.ts";
import { partBounds, type WalkBounds, walkSpan } from "./walk-span.ts";

export interface ByteCounts {
  /** By layer. Tables that several layers read (rotary caches) count in each of them. */
  readonly layerBytes: number[];
  readonly embeddingBytes: number;
  readonly headBytes: number;
}

/** Bytes of external weights by part of the model. */
export function countBytes(model: CuttableModel): ByteCounts {
  const { embedding, layers, head } = partBounds(model);
  return {
    layerBytes: layers.map((bounds) => weigh(model, bounds)),
    embeddingBytes: weigh(model, embedding),
    headBytes: weigh(model, head),
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
