// Manifests: one id for one content, and inconsistent records are refused.
import { copyFile, mkdtemp, rm, truncate } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuiltManifest } from "../../../../src/model/build-manifest.ts";
import { decodeManifest, encodeManifest, type Manifest, manifestId, spanBytes } from "../../../../src/model/tiles/manifest.ts";
import { readOnnx } from "../../../../src/model/graph/read-onnx.ts";
import { errorCode } from "../../../../src/shared/errors.ts";
import { manifestOfFolder } from "../../../../tools/model/model-folder.ts";
import { BUNDLED, MISSING, publicModel, SMALL, smallModel } from "../test-models.ts";

let built: BuiltManifest;
let small: Awaited<ReturnType<typeof smallModel>>;

beforeAll(async () => {
  small = await smallModel();
  built = await manifestOfFolder(small.folder);
});
afterAll(() => small.remove());

const corrupt = (bytes: Uint8Array): string | undefined => {
  try {
    decodeManifest(bytes);
    return undefined;
  } catch (error) {
    return errorCode(error) ?? String(error);
  }
};

describe("a manifest", () => {
  test("says what the files and configurations say", () => {
    expect(built.manifest).toMatchObject({
      name: "small",
      layerCount: 3,
      contextLength: 64,
      vocabularySize: 300,
      hiddenWidth: 32,
      bosToken: 0,
      eosTokens: [0],
    });
    expect(built.manifest.graph.path).toBe("model.onnx");
    expect(built.id).toMatch(/^bafyrei[a-z2-7]{52}$/);
  });

  test("survives its own encoding, and the same content has the same id", async () => {
    expect(decodeManifest(built.bytes)).toEqual(built.manifest);
    const again = await encodeManifest(decodeManifest(built.bytes));
    expect(again.bytes).toEqual(built.bytes);
    expect(again.id).toBe(built.id);
    expect((await encodeManifest({ ...built.manifest, licence: "other" })).id).not.toBe(built.id);
  });

  test("counts the bytes of every part", () => {
    const { manifest } = built;
    const table = SMALL.vocabulary * SMALL.width * 4;
    expect(manifest.embeddingBytes).toBe(table);
    expect(manifest.headBytes).toBe(table);
    const total = manifest.tensors.reduce((sum, tensor) => sum + tensor.length, 0);
    const rotary = 2 * SMALL.context * (SMALL.headSize / 2) * 4;
    // Rotary tables count once in every layer.
    expect(spanBytes(manifest, 0, 3)).toBe(total + 2 * rotary);
    expect(spanBytes(manifest, 0, 1) + spanBytes(manifest, 1, 3)).toBe(spanBytes(manifest, 0, 3));
  });

  test("says which layers read each tensor: its own layer, all of them for rotary tables, the first or last for embedding and head", () => {
    const layersOf = (pattern: RegExp) => built.manifest.tensors.filter(({ name }) => pattern.test(name)).map(({ layers }) => layers);
    for (const layer of [0, 1, 2]) expect(new Set(layersOf(new RegExp(`layers\\.${layer}\\.`)).flat())).toEqual(new Set([layer]));
    expect(layersOf(/^(cos|sin)_cache$/)).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    expect([...layersOf(/embed_tokens/), ...layersOf(/lm_head/)]).toEqual([[0], [2]]);
  });

  test("that was made before it said so can be read", async () => {
    const tensors = built.manifest.tensors.map(({ layers: _layers, ...tensor }) => tensor);
    const older = await encodeManifest({ ...built.manifest, tensors });
    expect(decodeManifest(older.bytes).tensors).toEqual(tensors);
    expect(older.id).not.toBe(built.id);
  });

  test("of the bundled model can be made", async () => {
    const { manifest } = await manifestOfFolder(BUNDLED);
    expect(manifest).toMatchObject({ layerCount: 8, contextLength: 512, vocabularySize: 2000 });
    expect(manifest.tokenizer?.path).toBe("tokenizer.json");
  });

  test("of a model with its weights inside the ONNX file points into that file", async ({ skip }) => {
    const folder = publicModel("stories260k") ?? skip(MISSING);
    const { manifest, graph } = await manifestOfFolder(folder);
    expect(graph.path).toBe("model.onnx.skeleton");
    expect(graph.bytes.length).toBeLessThan(30_000);
    expect(manifest.dataFiles).toEqual([{ path: "model.onnx", size: 1_468_919 }]);
    expect(readOnnx(graph.bytes).graph.initializer).toHaveLength(40);
  });

  test("cannot be made of a data file that is cut short", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "manyhands-short-"));
    try {
      for (const file of ["model.onnx", "model.onnx.data"]) await copyFile(path.join(small.folder, file), path.join(folder, file));
      await truncate(path.join(folder, "model.onnx.data"), 1000);
      await expect(manifestOfFolder(folder)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("records that are no manifest are refused", () => {
  const change = (fields: Partial<Record<keyof Manifest, unknown>>): Uint8Array => encode({ ...built.manifest, ...fields });
  test("other bytes, and every part of the right ones", () => {
    const refused = (bytes: Uint8Array): boolean => corrupt(bytes) === "MODEL_CORRUPT";
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), refused));
    fc.assert(fc.property(fc.nat(built.bytes.length - 1), (length) => refused(built.bytes.slice(0, length))));
  });

  test("another format", () => {
    expect(corrupt(change({ format: 1 }))).toBe("MODEL_CORRUPT");
  });
  test("an unknown field", () => {
    expect(corrupt(encode({ ...built.manifest, extra: 1 }))).toBe("MODEL_CORRUPT");
  });
  test("layer costs for other layers", () => {
    for (const field of ["layerBytes", "layerCost", "cacheBytes"]) expect(corrupt(change({ [field]: [1] }))).toBe("MODEL_CORRUPT");
  });
  test("a tensor outside its file", () => {
    const [first, ...rest] = built.manifest.tensors;
    expect(corrupt(change({ tensors: [{ ...first, offset: 2 ** 40 }, ...rest] }))).toBe("MODEL_CORRUPT");
    expect(corrupt(change({ tensors: [{ ...first, file: 9 }, ...rest] }))).toBe("MODEL_CORRUPT");
    expect(corrupt(change({ tensors: [{ ...first, tiles: [] }, ...rest] }))).toBe("MODEL_CORRUPT");
  });
  test("a tensor that a layer reads which the model does not have", () => {
    const [first, ...rest] = built.manifest.tensors;
    expect(corrupt(change({ tensors: [{ ...first, layers: [3] }, ...rest] }))).toBe("MODEL_CORRUPT");
    expect(corrupt(change({ tensors: [{ ...first, layers: [2] }, ...rest] }))).toBeUndefined();
  });
  test.each(["../secret", "/etc/passwd", "a//b", "https://other.example/x", "a/../b", ".hidden", "a\\b", ""])("the path %j", (file) => {
    expect(corrupt(change({ graph: { ...built.manifest.graph, path: file } }))).toBe("MODEL_CORRUPT");
  });

  test("one flipped bit changes the id", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(built.bytes.length * 8 - 1), async (bit) => {
        const flipped = built.bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(await manifestId(flipped)).not.toBe(built.id);
      }),
      { numRuns: 30 },
    );
  });
});
