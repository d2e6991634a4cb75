// What a model is: files, tensors, tiles and their hashes, in one canonical record whose CID names the model.
import { code as DAG_CBOR, decode, encode } from "@ipld/dag-cbor";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import * as v from "valibot";
import { LIMITS } from "../../protocol/version.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { asModelId, type ModelId } from "../../shared/ids.ts";
import { sha256 } from "./sha256.ts";

/** Raised with every change of the record's shape, except for a new optional field. */
const MANIFEST_FORMAT = 2;

/**
 * Bytes of a full tile: every content-addressed network carries blocks of that size. The
 * last tile of a tensor may be shorter.
 */
export const TILE_BYTES = 1024 * 1024;

/** The manifest's file name inside a model's folder. */
export const MANIFEST_FILE = "manifest.cbor";

/** The most bytes of a manifest: with 64 bytes for each MiB, a model of 100 GB would need less than 8 MiB. */
export const MANIFEST_MAX_BYTES = 16 * 1024 * 1024;

const SHA_256 = 0x12; // multihash code
const MAX_TENSORS = 100_000;
const MAX_FILES = 1024;
/** The most characters of a chat template: the longest known ones, with tools, have 20,000. */
const MAX_TEMPLATE_LENGTH = 200_000;

const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const text = v.pipe(v.string(), v.maxLength(400));
const hash = v.pipe(v.instance(Uint8Array), v.length(32));
/** A path inside the model's folder, with no way out of it and nothing that a URL would read in another way. */
const path = v.pipe(v.string(), v.maxLength(200), v.regex(/^(?!\.)[\w.-]+(?:\/(?!\.)[\w.-]+)*$/));

/** Whether a manifest may name `file`: a path that stays inside the model's folder. */
export const isModelPath = (file: string): boolean => v.is(path, file);

const WholeFile = v.strictObject({ path, size: positive, sha256: hash });
/** A small file that is fetched whole. */
export type WholeFile = v.InferOutput<typeof WholeFile>;

const Tensor = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(1000)),
  /** Index into `dataFiles`. */
  file: natural,
  offset: natural,
  /** Bytes. */
  length: positive,
  /** ONNX element type code. */
  type: positive,
  dims: v.pipe(v.array(natural), v.maxLength(16)),
  /** SHA-256 of each `TILE_BYTES` of the tensor, in order. */
  tiles: v.array(hash),
  /**
   * Layers that read the tensor, ascending: a peer that serves one of them has the tiles. The embedding counts to the
   * first layer, the head to the last. Manifests that were made before this field existed do not have it.
   */
  layers: v.exactOptional(v.pipe(v.array(natural), v.maxLength(LIMITS.layers))),
});
export type ManifestTensor = v.InferOutput<typeof Tensor>;

/** Where the files came from: a tab can fetch the same bytes there. */
const Origin = v.strictObject({
  /** Folder that the paths of `dataFiles` are relative to, ending in a slash. A hub's folder has the revision in it. */
  url: v.pipe(v.string(), v.maxLength(1000), v.regex(/^https?:\/\/[^\s?#]+\/$/)),
  /** `organisation/name` on a hub; null for other servers. */
  repository: v.nullable(v.pipe(v.string(), v.maxLength(200), v.regex(/^[\w.-]+\/[\w.-]+$/))),
  /** Commit of the repository; its branch if the hub does not say the commit. */
  revision: v.nullable(v.pipe(v.string(), v.maxLength(200), v.regex(/^[\w./-]+$/))),
});
export type ModelOrigin = v.InferOutput<typeof Origin>;

export const Manifest = v.pipe(
  v.strictObject({
    format: v.literal(MANIFEST_FORMAT),
    name: v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.nameLength)),
    licence: text,
    /** Where the model comes from: a URL or the name of a repository. */
    source: text,
    /** Null for a model that exists only where its manifest is served. */
    origin: v.nullable(Origin),
    layerCount: v.pipe(positive, v.maxValue(LIMITS.layers)),
    /** Positions that the model was made for. */
    contextLength: positive,
    vocabularySize: positive,
    /** Width of the hidden states. */
    hiddenWidth: positive,
    /** Token that a prompt starts with; null if there is none. */
    bosToken: v.nullable(natural),
    /** Tokens that end an answer. */
    eosTokens: v.pipe(v.array(natural), v.maxLength(64)),
    /** Jinja source that turns a conversation into a prompt; null for a model that only continues a text. */
    chatTemplate: v.nullable(v.pipe(v.string(), v.maxLength(MAX_TEMPLATE_LENGTH))),
    /** How the weights are stored, in the hub's words: `fp32`, `fp16`, `q8`, `q4`, `q4f16`, … */
    dtype: v.pipe(v.string(), v.minLength(1), v.maxLength(20)),
    graph: WholeFile,
    /** Null for a model that takes token ids only. */
    tokenizer: v.nullable(WholeFile),
    tokenizerConfig: v.nullable(WholeFile),
    dataFiles: v.pipe(v.array(v.strictObject({ path, size: positive })), v.maxLength(MAX_FILES)),
    tensors: v.pipe(v.array(Tensor), v.maxLength(MAX_TENSORS)),
    /** Bytes of weights of each layer, of the embedding and of the head. Tied tables count in both. */
    layerBytes: v.array(natural),
    embeddingBytes: natural,
    headBytes: natural,
    /**
     * Multiply-adds with weights for one token, by layer, and of the head: work is
     * measured in them. The embedding is only a look-up.
     */
    layerCost: v.array(natural),
    headCost: natural,
    /** Bytes of key/value cache of one position, by layer. */
    cacheBytes: v.array(natural),
  }),
  v.check(
    ({ layerCount, ...by }) => [by.layerBytes, by.layerCost, by.cacheBytes].every((list) => list.length === layerCount),
    "layerBytes, layerCost and cacheBytes have one entry for each layer",
  ),
  v.check(
    ({ tensors, dataFiles }) =>
      tensors.every(
        (tensor) =>
          tensor.offset + tensor.length <= (dataFiles[tensor.file]?.size ?? -1) &&
          tensor.tiles.length === Math.ceil(tensor.length / TILE_BYTES),
      ),
    "every tensor lies inside its file and has a hash for each tile",
  ),
  v.check(
    ({ tensors, layerCount }) => tensors.every(({ layers = [] }) => layers.every((layer) => layer < layerCount)),
    "every tensor is read by layers of the model",
  ),
);
export type Manifest = v.InferOutput<typeof Manifest>;

/**
 * The head's work, in layers of this model: a fifth of a layer for a small vocabulary,
 * eight layers for a large one over narrow layers.
 */
export function headLayers({ layerCount, layerCost, headCost }: Pick<Manifest, "layerCount" | "layerCost" | "headCost">): number {
  const all = layerCost.reduce((sum, cost) => sum + cost, 0);
  return all === 0 ? 0 : (headCost * layerCount) / all;
}

/** Resolves with the record's canonical bytes, and its id. */
export async function encodeManifest(manifest: Manifest): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly id: ModelId }> {
  // By its type, dag-cbor may return a view of any buffer; it allocates a plain one.
  const bytes = new Uint8Array(encode(manifest));
  return { bytes, id: await manifestId(bytes) };
}

/** CID (version 1, dag-cbor, SHA-256, base32) of a manifest's bytes. */
export async function manifestId(bytes: Uint8Array<ArrayBuffer>): Promise<ModelId> {
  return asModelId(CID.createV1(DAG_CBOR, createDigest(SHA_256, await sha256(bytes))).toString());
}

/** Reads a manifest whose hash is already checked. Throws MODEL_CORRUPT if it is no manifest, or of another format. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  let record: unknown;
  try {
    record = decode(bytes);
  } catch (cause) {
    throw new ManyhandsError("MODEL_CORRUPT", "the model's manifest is cut short, or it is no manifest", { cause });
  }
  const result = v.safeParse(Manifest, record);
  if (result.success) return result.output;
  throw new ManyhandsError("MODEL_CORRUPT", `the model's manifest cannot be read: ${result.issues[0].message}`);
}

/** Bytes of weights that a tab loads for layers `[start, end)`, as placement counts them. */
export function spanBytes(
  manifest: Pick<Manifest, "layerCount" | "layerBytes" | "embeddingBytes" | "headBytes">,
  start: number,
  end: number,
): number {
  const layers = manifest.layerBytes.slice(start, end).reduce((sum, bytes) => sum + bytes, 0);
  return layers + (start === 0 ? manifest.embeddingBytes : 0) + (end === manifest.layerCount ? manifest.headBytes : 0);
}
