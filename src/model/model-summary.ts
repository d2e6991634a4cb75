// A model in a few words: what a page shows of it before anything is loaded.
import type { Manifest } from "./manifest.ts";

export interface ModelSummary {
  readonly name: string;
  readonly layerCount: number;
  /** Positions that a prompt and its answer may have together. */
  readonly contextLength: number;
  /** Bytes of graph and weights. */
  readonly sizeBytes: number;
  readonly licence: string;
}

export function summarise({ name, layerCount, contextLength, licence, dataFiles, graph }: Manifest): ModelSummary {
  return { name, layerCount, contextLength, licence, sizeBytes: dataFiles.reduce((sum, file) => sum + file.size, graph.size) };
}
