// A model in a few words: the page shows it, and chooses by it, before anything is loaded.
import type { ModelId } from "../shared/ids.ts";
import type { Manifest } from "./tiles/manifest.ts";

export interface ModelSummary {
  readonly name: string;
  readonly layerCount: number;
  /** Positions that a prompt and its answer may have together. */
  readonly contextLength: number;
  /** Bytes of graph and weights. */
  readonly sizeBytes: number;
  readonly licence: string;
  /** How the weights are stored, in the hub's words: `fp32`, `q4`, … */
  readonly dtype: string;
  /** Whether it answers conversations. Otherwise it continues a text. */
  readonly chat: boolean;
  /** Bytes of weights of the largest layer, and of the embedding or the head, whichever is larger. */
  readonly layerBytes: number;
  readonly edgeBytes: number;
  /** Bytes of key/value cache of one token, in all layers together. */
  readonly cacheBytes: number;
}

/** A model that the relay offers. */
export interface ModelOffer extends ModelSummary {
  readonly id: ModelId;
}

export function summarise(manifest: Manifest): ModelSummary {
  const { name, layerCount, contextLength, licence, dtype, dataFiles, graph } = manifest;
  return {
    name,
    layerCount,
    contextLength,
    licence,
    dtype,
    sizeBytes: dataFiles.reduce((sum, file) => sum + file.size, graph.size),
    chat: manifest.chatTemplate !== null,
    layerBytes: Math.max(...manifest.layerBytes),
    edgeBytes: Math.max(manifest.embeddingBytes, manifest.headBytes),
    cacheBytes: manifest.cacheBytes.reduce((sum, bytes) => sum + bytes, 0),
  };
}
