// Makes a model's manifest from its files: run once by whoever publishes a model, and by the build for bundled ones.
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId } from "../shared/ids.ts";
import { readCuttableModel } from "./cuttable-model.ts";
import { countBytes } from "./count-bytes.ts";
import { detachWeights, type WeightTensor } from "./detach-weights.ts";
import { encodeManifest, type Manifest, type ManifestTensor, TILE_BYTES, type WholeFile } from "./manifest.ts";
import { sha256 } from "./sha256.ts";

/** What the files of a graph do not say. */
export type ModelFacts = Pick<Manifest, "name" | "licence" | "source" | "contextLength" | "bosToken" | "eosTokens">;

/** A small file, whole. */
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
  /** Bytes of a data file. */
  readonly fileSize: (path: string) => Promise<number>;
  /** A range of a data file; fewer bytes where the file ends before. */
  readonly read: (path: string, offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;
}

export interface BuiltManifest {
  readonly id: ModelId;
  readonly manifest: Manifest;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The graph file that the manifest names: the model's own file, or a skeleton to be written beside it. */
  readonly graph: FileBytes;
}

/** Ends the name of a skeleton made from a file with its weights inside. */
const SKELETON_SUFFIX = ".skeleton";

/**
 * Reads every weight once. Same files, same manifest. Throws MODEL_CORRUPT where a data file is cut short and
 * MODEL_UNSUPPORTED where the graph cannot be cut.
 */
export async function buildManifest(options: BuildManifestOptions): Promise<BuiltManifest> {
  const { skeleton, isRewritten, weights } = detachWeights(options.model.bytes, options.model.path);
  const model = readCuttableModel(skeleton);
  const graph = isRewritten ? { path: `${options.model.path}${SKELETON_SUFFIX}`, bytes: new Uint8Array(skeleton) } : options.model;
  const paths = [...new Set(weights.map((weight) => weight.source.file))];
  const dataFiles = await Promise.all(paths.map(async (path) => ({ path, size: await options.fileSize(path) })));
  const tensors: ManifestTensor[] = [];
  for (const weight of weights) {
    const size = dataFiles[paths.indexOf(weight.source.file)]?.size ?? 0;
    if (weight.source.offset + weight.source.length > size) {
      throw new ManyhandsError("MODEL_CORRUPT", `"${weight.source.file}" is cut short: it ends before the weights of "${weight.name}"`);
    }
    tensors.push(await describeTensor(weight, paths, options.read));
  }
  const manifest: Manifest = {
    format: 1,
    ...options.facts,
    layerCount: model.layerCount,
    vocabularySize: model.vocabularySize,
    hiddenWidth: model.hiddenWidth,
    graph: await describeFile(graph),
    tokenizer: options.tokenizer === undefined ? null : await describeFile(options.tokenizer),
    tokenizerConfig: options.tokenizerConfig === undefined ? null : await describeFile(options.tokenizerConfig),
    dataFiles,
    tensors,
    ...countBytes(model),
  };
  return { ...(await encodeManifest(manifest)), manifest, graph };
}

async function describeFile(file: FileBytes): Promise<WholeFile> {
  return { path: file.path, size: file.bytes.byteLength, sha256: await sha256(file.bytes) };
}

async function describeTensor(weight: WeightTensor, paths: readonly string[], read: BuildManifestOptions["read"]): Promise<ManifestTensor> {
  const { file, offset, length } = weight.source;
  const tiles: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < length; at += TILE_BYTES) {
    const bytes = await read(file, offset + at, Math.min(TILE_BYTES, length - at));
    if (bytes.byteLength !== Math.min(TILE_BYTES, length - at)) throw new ManyhandsError("MODEL_CORRUPT", `"${file}" is cut short`);
    tiles.push(await sha256(bytes));
  }
  return { name: weight.name, file: paths.indexOf(file), offset, length, type: weight.type, dims: [...weight.dims], tiles };
}
