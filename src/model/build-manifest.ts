// Makes a model's manifest from its files. It runs once, when a model is added to a relay or bundled with the page.
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId } from "../shared/ids.ts";
import { readCuttableModel } from "./cut/cuttable-model.ts";
import { countBytes } from "./cut/count-bytes.ts";
import { countCost, describeDtype } from "./cut/count-cost.ts";
import { detachWeights, type WeightTensor } from "./cut/detach-weights.ts";
import type { LayerCache } from "./cut/find-layers.ts";
import { layersOfWeights } from "./cut/layers-of-weights.ts";
import { encodeManifest, isModelPath, type Manifest, type ManifestTensor, TILE_BYTES, type WholeFile } from "./tiles/manifest.ts";
import { sha256 } from "./tiles/sha256.ts";

/** Facts about a model that the files of its graph do not say. */
export type ModelFacts = Pick<
  Manifest,
  "name" | "licence" | "source" | "origin" | "contextLength" | "bosToken" | "eosTokens" | "chatTemplate"
>;

/** A small file with all its bytes. */
export interface FileBytes {
  /** Relative to the model's folder. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface BuildManifestOptions {
  readonly facts: ModelFacts;
  /** The ONNX file. */
  readonly model: FileBytes;
  readonly tokenizer: FileBytes | undefined;
  readonly tokenizerConfig: FileBytes | undefined;
  /** Resolves with the size of a data file in bytes. */
  readonly fileSize: (path: string) => Promise<number>;
  /** Resolves with a range of a data file; with fewer bytes if the file ends inside it. */
  readonly read: (path: string, offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;
}

export interface BuiltManifest {
  readonly id: ModelId;
  readonly manifest: Manifest;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The graph file that the manifest names: the model's own file, or a skeleton to be written beside it. */
  readonly graph: FileBytes;
}

/** End of the name of a skeleton: the graph of a file that has its weights inside, without these. */
const SKELETON_SUFFIX = ".skeleton";

/**
 * Reads every weight once. The same files give the same manifest. Throws MODEL_CORRUPT if a data file is cut short and
 * MODEL_UNSUPPORTED if the graph cannot be cut.
 */
export async function buildManifest(options: BuildManifestOptions): Promise<BuiltManifest> {
  const { skeleton, isRewritten, weights } = detachWeights(options.model.bytes, options.model.path);
  const graph = skeletonFile(options.model.path, skeleton, isRewritten);
  checkPaths(weights);
  const paths = [...new Set(weights.map((weight) => weight.source.file))];
  const dataFiles = await Promise.all(paths.map(async (path) => ({ path, size: await options.fileSize(path) })));
  checkRanges(weights, dataFiles);
  const tiles: Uint8Array<ArrayBuffer>[][] = [];
  for (const weight of weights) tiles.push(await hashTiles(weight, options.read));
  const { facts, tokenizer, tokenizerConfig } = options;
  return assembleManifest({ facts, graph, tokenizer, tokenizerConfig, weights, tiles, dataFiles });
}

/** The graph file that a manifest names: the model's own if it has no large weights inside, else one beside it. */
export function skeletonFile(modelPath: string, skeleton: Uint8Array, isRewritten: boolean): FileBytes {
  return { path: isRewritten ? `${modelPath}${SKELETON_SUFFIX}` : modelPath, bytes: new Uint8Array(skeleton) };
}

/** Throws MODEL_UNSUPPORTED if the graph points out of its own folder, or to a file that a manifest cannot name. */
export function checkPaths(weights: readonly WeightTensor[]): void {
  for (const { name, source } of weights) {
    if (isModelPath(source.file)) continue;
    throw new ManyhandsError(
      "MODEL_UNSUPPORTED",
      `the graph says that the weights of "${name}" lie in "${source.file}", which leads out of the model's folder; no such file is read. Save the model again with its data beside it`,
    );
  }
}

/** Throws MODEL_CORRUPT if a weight lies behind the end of its file. */
export function checkRanges(weights: readonly WeightTensor[], dataFiles: Manifest["dataFiles"]): void {
  for (const { name, source } of weights) {
    const size = dataFiles.find((file) => file.path === source.file)?.size ?? 0;
    if (source.offset + source.length > size)
      throw new ManyhandsError("MODEL_CORRUPT", `"${source.file}" is cut short: it ends before the weights of "${name}"`);
  }
}

/** Everything that a manifest says, once every weight has been hashed. */
export interface ManifestParts {
  readonly facts: ModelFacts;
  /** The graph without its large weights. */
  readonly graph: FileBytes;
  readonly tokenizer: FileBytes | undefined;
  readonly tokenizerConfig: FileBytes | undefined;
  readonly weights: readonly WeightTensor[];
  /** By weight: the SHA-256 of each tile. */
  readonly tiles: readonly (readonly Uint8Array<ArrayBuffer>[])[];
  readonly dataFiles: Manifest["dataFiles"];
}

/** Puts a manifest together. Throws MODEL_CORRUPT or MODEL_UNSUPPORTED if the graph cannot be cut. */
export async function assembleManifest(parts: ManifestParts): Promise<BuiltManifest> {
  const { facts, graph, weights, dataFiles } = parts;
  const model = readCuttableModel(graph.bytes);
  const layersOf = layersOfWeights(model, { start: 0, end: model.layerCount });
  const manifest: Manifest = {
    format: 2,
    ...facts,
    layerCount: model.layerCount,
    vocabularySize: model.vocabularySize,
    hiddenWidth: model.hiddenWidth,
    dtype: describeDtype(model),
    graph: await describeFile(graph),
    tokenizer: parts.tokenizer === undefined ? null : await describeFile(parts.tokenizer),
    tokenizerConfig: parts.tokenizerConfig === undefined ? null : await describeFile(parts.tokenizerConfig),
    dataFiles: [...dataFiles],
    tensors: weights.map(({ name, source, type, dims }, index): ManifestTensor => {
      const file = dataFiles.findIndex(({ path }) => path === source.file);
      const tiles = [...(parts.tiles[index] ?? [])];
      const layers = [...(layersOf.get(name) ?? [])];
      return { name, file, offset: source.offset, length: source.length, type, dims: [...dims], tiles, layers };
    }),
    ...countBytes(model),
    ...countCost(model),
    cacheBytes: model.layers.caches.map((caches) => caches.reduce((sum, cache) => sum + cachePositionBytes(cache), 0)),
  };
  return { ...(await encodeManifest(manifest)), manifest, graph };
}

/** Bytes of one position in a cache; a cache that holds key and value counts twice. */
function cachePositionBytes({ kind, heads, headSize, type }: LayerCache): number {
  return heads * headSize * (type === "float16" ? 2 : 4) * (kind === "pair" ? 2 : 1);
}

async function describeFile(file: FileBytes): Promise<WholeFile> {
  return { path: file.path, size: file.bytes.byteLength, sha256: await sha256(file.bytes) };
}

async function hashTiles({ source }: WeightTensor, read: BuildManifestOptions["read"]): Promise<Uint8Array<ArrayBuffer>[]> {
  const { file, offset, length } = source;
  const tiles: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < length; at += TILE_BYTES) {
    const bytes = await read(file, offset + at, Math.min(TILE_BYTES, length - at));
    if (bytes.byteLength !== Math.min(TILE_BYTES, length - at)) throw new ManyhandsError("MODEL_CORRUPT", `"${file}" is cut short`);
    tiles.push(await sha256(bytes));
  }
  return tiles;
}
