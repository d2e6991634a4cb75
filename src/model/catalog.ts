// Good small open models on the hub, and how much of them a device can hold: plain data
// and arithmetic, for the page to show.

/**
 * A model as its authors describe it (config.json of the original repository). Its sizes follow from its shape; the
 * manifest, once made, has the exact ones.
 */
export interface CatalogEntry {
  /** Repository on the hub that has the ONNX export. */
  readonly id: string;
  readonly revision: string;
  /** ONNX file with 4-bit weights. */
  readonly file: string;
  readonly name: string;
  /** SPDX identifier. */
  readonly licence: "Apache-2.0" | "MIT";
  /** Millions of parameters. Tied tables count once. */
  readonly parametersM: number;
  readonly layers: number;
  readonly width: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  /** What it is good for, in a few words. */
  readonly about: string;
}

const Q4 = "onnx/model_q4.onnx";

/**
 * From small to large. Models whose licence restricts who may use them, or for what, are left out. The call is marked
 * as pure, so that pages that do not show the catalog do not carry it.
 */
export const CATALOG: readonly CatalogEntry[] = /* @__PURE__ */ (() => [
  entry(
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "SmolLM2 135M",
    "Apache-2.0",
    135,
    [30, 576, 1536, 9, 3, 64, 49_152, 8192],
    "Answers at once, knows little.",
  ),
  entry(
    "HuggingFaceTB/SmolLM2-360M-Instruct",
    "SmolLM2 360M",
    "Apache-2.0",
    362,
    [32, 960, 2560, 15, 5, 64, 49_152, 8192],
    "Short answers and rewriting.",
  ),
  entry(
    "onnx-community/Qwen2.5-0.5B-Instruct",
    "Qwen2.5 0.5B",
    "Apache-2.0",
    494,
    [24, 896, 4864, 14, 2, 64, 151_936, 32_768],
    "Many languages, small tasks.",
  ),
  entry(
    "onnx-community/Qwen3-0.6B-ONNX",
    "Qwen3 0.6B",
    "Apache-2.0",
    596,
    [28, 1024, 3072, 16, 8, 128, 151_936, 40_960],
    "Thinks before it answers; many languages.",
  ),
  entry(
    "onnx-community/Qwen2.5-1.5B-Instruct",
    "Qwen2.5 1.5B",
    "Apache-2.0",
    1544,
    [28, 1536, 8960, 12, 2, 128, 151_936, 32_768],
    "A good all-rounder for a few tabs.",
  ),
  entry(
    "HuggingFaceTB/SmolLM2-1.7B-Instruct",
    "SmolLM2 1.7B",
    "Apache-2.0",
    1711,
    [24, 2048, 8192, 32, 32, 64, 49_152, 8192],
    "Writing and rewriting in English.",
  ),
  entry(
    "onnx-community/Qwen3-1.7B-ONNX",
    "Qwen3 1.7B",
    "Apache-2.0",
    1721,
    [28, 2048, 6144, 16, 8, 128, 151_936, 40_960],
    "Reasoning at a middle size.",
  ),
  entry(
    "HuggingFaceTB/SmolLM3-3B-ONNX",
    "SmolLM3 3B",
    "Apache-2.0",
    3075,
    [36, 2048, 11_008, 16, 4, 128, 128_256, 65_536],
    "Long contexts, six languages.",
  ),
  entry(
    "onnx-community/Phi-3.5-mini-instruct-onnx-web",
    "Phi-3.5 mini",
    "MIT",
    3821,
    [32, 3072, 8192, 32, 32, 96, 32_064, 131_072],
    "Mathematics and code.",
    "onnx/model_q4f16.onnx",
  ),
  entry(
    "onnx-community/Qwen3-4B-Instruct-2507-ONNX",
    "Qwen3 4B 2507",
    "Apache-2.0",
    4022,
    [36, 2560, 9728, 32, 8, 128, 151_936, 262_144],
    "The strongest of this list.",
    "onnx/model_q4f16.onnx",
  ),
])();

type Shape = readonly [
  layers: number,
  width: number,
  feedForward: number,
  heads: number,
  kvHeads: number,
  headSize: number,
  vocabulary: number,
  contextLength: number,
];

function entry(
  id: string,
  name: string,
  licence: CatalogEntry["licence"],
  parametersM: number,
  [layers, width, feedForward, heads, kvHeads, headSize, vocabulary, contextLength]: Shape,
  about: string,
  file = Q4,
): CatalogEntry {
  return Object.freeze({
    ...{ id, revision: "main", file, name, licence, parametersM, about },
    ...{ layers, width, feedForward, heads, kvHeads, headSize, vocabulary, contextLength },
  });
}

const BYTES = Object.freeze({
  /** A 4-bit weight with its share of the 32-bit scale of 32 weights. */
  perWeight: 0.625,
  /** A key or value in the cache. */
  perCacheEntry: 4,
  /** An entry of the embedding, which most 4-bit exports leave in half precision. */
  perEmbeddingEntry: 2,
});

export interface Sizes {
  /** Bytes, estimated. */
  readonly layerBytes: number;
  readonly edgeBytes: number;
  readonly sizeBytes: number;
  /** Key/value cache of one token in one layer. */
  readonly cacheBytes: number;
}

/** Estimates the sizes of a model of the catalog with 4-bit weights. */
export function estimateSizes(model: CatalogEntry): Sizes {
  const { width, feedForward, heads, kvHeads, headSize, vocabulary, layers } = model;
  const weights = 2 * width * heads * headSize + 2 * width * kvHeads * headSize + 3 * width * feedForward;
  const layerBytes = Math.round(weights * BYTES.perWeight);
  const edgeBytes = vocabulary * width * BYTES.perEmbeddingEntry;
  return { layerBytes, edgeBytes, sizeBytes: layers * layerBytes + edgeBytes, cacheBytes: 2 * kvHeads * headSize * BYTES.perCacheEntry };
}

/** What this device can give to a model, as far as the browser says. */
export interface Device {
  /** Bytes of memory, rounded by the browser; undefined if it does not say. */
  readonly memoryBytes: number | undefined;
  /** Largest buffer of the graphics card; undefined without WebGPU. */
  readonly gpuBufferBytes: number | undefined;
}

const SHARE = Object.freeze({
  /** Share of a device's memory that a tab may fill and leave the device usable. */
  ofMemory: 0.25,
  /** Bytes that a WebAssembly memory can hold at all. */
  wasmBytes: 4 * 1024 ** 3,
  /** Peak of memory while loading, relative to the weights. */
  peak: 1.3,
  /** Bytes that are assumed of a device that does not say: as much as a phone has. */
  unknownMemoryBytes: 4 * 1024 ** 3,
  /** Tokens that a span's cache has to hold. */
  cacheTokens: 2048,
});

/** Estimates how many layers of a model this device can hold at once: none, some, or all. */
export function layersThatFit(
  model: { readonly layerCount: number; readonly layerBytes: number; readonly edgeBytes: number; readonly cacheBytesPerLayer: number },
  device: Device,
): number {
  const budget = Math.min(SHARE.wasmBytes, (device.memoryBytes ?? SHARE.unknownMemoryBytes) * SHARE.ofMemory);
  if (device.gpuBufferBytes === undefined && model.layerBytes * SHARE.peak > budget) return 0;
  const perLayer = model.layerBytes * SHARE.peak + model.cacheBytesPerLayer * SHARE.cacheTokens;
  const whole = model.layerCount * perLayer + 2 * model.edgeBytes * SHARE.peak;
  if (whole <= budget) return model.layerCount;
  return Math.min(model.layerCount, Math.max(0, Math.floor(budget / perLayer)));
}
