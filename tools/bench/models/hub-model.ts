// A model of at least 300 MB whose weights are on a hub: the relay has only its manifest, graph and tokenizer.
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { decodeManifest, encodeManifest, MANIFEST_FILE } from "../../../src/model/tiles/manifest.ts";
import type { ModelId } from "../../../src/shared/ids.ts";
import type { LlamaShape } from "./llama-graph.ts";
import { ensureWideModel, type WideModelOptions } from "./wide-model.ts";

export const HUB_MODEL = "bench/wide";

/** Shapes of at least 300 MB in f32. */
export const HUB_SHAPES = Object.freeze({
  /** 28 MB a layer, 341 MB. */
  twelveLayers: { layers: 12, width: 768, heads: 12, feedForward: 2048, vocabulary: 2000 },
  /** The same in 4 bits: 4 MB a layer, 49 MB, and 339 MB unpacked. */
  twelveLayersOf4Bits: { bits: 4 as const, layers: 12, width: 768, heads: 12, feedForward: 2048, vocabulary: 2000 },
  /** 83 MB a layer, 337 MB. */
  fourLayers: { layers: 4, width: 1280, heads: 20, feedForward: 3712, vocabulary: 2000 },
});
export type HubShape = Pick<WideModelOptions, keyof LlamaShape>;

export interface HubModel {
  readonly id: ModelId;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The folder for a relay's `--models`, without weights. */
  readonly folder: string;
  /** The folder that the hub serves. */
  readonly files: string;
}

/**
 * Makes the model once. Its manifest says that the weights are under `url`; the files of the relay go into `folder`.
 */
export async function hubModel(options: { readonly shape: HubShape; readonly url: string; readonly folder: string }): Promise<HubModel> {
  const files = await ensureWideModel(options.shape);
  const manifest = decodeManifest(await readFile(path.join(files, MANIFEST_FILE)));
  const { id, bytes } = await encodeManifest({ ...manifest, origin: { url: options.url, repository: HUB_MODEL, revision: "main" } });
  await mkdir(options.folder, { recursive: true });
  await writeFile(path.join(options.folder, MANIFEST_FILE), bytes);
  for (const file of [manifest.graph, manifest.tokenizer, manifest.tokenizerConfig]) {
    if (file) await copyFile(path.join(files, file.path), path.join(options.folder, file.path));
  }
  return { id, bytes, folder: options.folder, files };
}
