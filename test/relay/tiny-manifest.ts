// The smallest valid manifest. A relay lists a model by it.
import { encodeManifest } from "../../src/model/tiles/manifest.ts";

/** Returns its canonical bytes and its id. */
export function tinyManifest(name: string): ReturnType<typeof encodeManifest> {
  return encodeManifest({
    format: 2,
    name,
    licence: "MIT",
    source: "test",
    origin: null,
    layerCount: 2,
    contextLength: 16,
    vocabularySize: 8,
    hiddenWidth: 4,
    bosToken: null,
    eosTokens: [],
    chatTemplate: null,
    dtype: "fp32",
    graph: { path: "model.onnx", size: 10, sha256: new Uint8Array(32) },
    tokenizer: null,
    tokenizerConfig: null,
    dataFiles: [],
    tensors: [],
    layerBytes: [1, 1],
    embeddingBytes: 1,
    headBytes: 1,
    layerCost: [1, 1],
    headCost: 1,
    cacheBytes: [1, 1],
  });
}
