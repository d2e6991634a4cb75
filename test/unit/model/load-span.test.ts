// Loading a span: every byte is checked wherever it comes from, no corrupt tile is kept, and nothing is half-loaded.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BuiltManifest } from "../../../src/model/build-manifest.ts";
import { fetchManifest, fetchModelFiles } from "../../../src/model/fetch-model.ts";
import { MANIFEST_FILE, spanBytes } from "../../../src/model/tiles/manifest.ts";
import { HttpTileSource } from "../../../src/model/tiles/http-tile-source.ts";
import { loadSpan, type LoadSpanOptions } from "../../../src/model/load-span.ts";
import { MemoryTileStore } from "../../../src/model/tiles/memory-tile-store.ts";
import type { TileProgress } from "../../../src/model/tiles/load-tiles.ts";
import type { TileStore } from "../../../src/model/tiles/tile-store.ts";
import { toHex } from "../../../src/shared/bytes.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asModelId } from "../../../src/shared/ids.ts";
import { manifestOfFolder } from "../../../tools/model/model-folder.ts";
import { type ModelServer, startModelServer, testHttp } from "./model-server.ts";
import { smallModel } from "./test-models.ts";

const DATA = "model.onnx.data";
const never = new AbortController().signal;
let small: Awaited<ReturnType<typeof smallModel>>;
let server: ModelServer;
let built: BuiltManifest;
let data: Uint8Array;

beforeAll(async () => {
  // 1.5 MiB of embedding: a tensor of more than one tile.
  small = await smallModel({ vocabulary: 12_288 });
  // With the same facts as the manifest in the folder.
  built = await manifestOfFolder(small.folder, { name: "wide-3x32", licence: "MIT", source: "seeded random weights" });
  data = await readFile(path.join(small.folder, DATA));
  server = await startModelServer();
});
afterAll(async () => {
  await server.close();
  await small.remove();
});
beforeEach(async () => {
  server.files.clear();
  for (const file of [MANIFEST_FILE, "model.onnx", "tokenizer.json", "tokenizer_config.json"])
    server.files.set(file, await readFile(path.join(small.folder, file)));
  server.files.set(DATA, data);
  server.faults.length = 0;
  server.requests.length = 0;
});

const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

function load(options: Partial<LoadSpanOptions> = {}) {
  const http = testHttp();
  return loadSpan({
    model: built.id,
    manifest: built.manifest,
    graph: built.graph.bytes,
    span: { start: 0, end: 2 },
    source: new HttpTileSource({ ...http, baseUrl: server.baseUrl }),
    store: new MemoryTileStore({ budgetBytes: 2 ** 30 }),
    clock: systemClock,
    signal: never,
    ...options,
  });
}

/** A store whose content tests can see. */
class OpenStore implements TileStore {
  readonly tiles = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly deleted: string[] = [];
  get = (hash: string) => Promise.resolve(this.tiles.get(hash));
  put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.tiles.set(hash, bytes.slice());
    return Promise.resolve();
  }
  delete(hash: string): Promise<void> {
    this.deleted.push(hash);
    this.tiles.delete(hash);
    return Promise.resolve();
  }
}

const tensorAt = (name: string) => {
  const tensor = built.manifest.tensors.find((entry) => entry.name === name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  return tensor;
};

describe("loadSpan", () => {
  test("fetches the span's own bytes, and puts each where it belongs", async () => {
    const steps: TileProgress[] = [];
    const source = await load({ span: { start: 1, end: 2 }, onProgress: (progress) => steps.push(progress) });
    const { layerBytes } = built.manifest;
    expect(source.externalData.reduce((sum, entry) => sum + entry.data.length, 0)).toBe(layerBytes[1]);
    const all = await load({ span: { start: 0, end: 3 } });
    const total = all.externalData.reduce((sum, entry) => sum + entry.data.length, 0);
    expect(total).toBe(data.length);
    // Rotary tables count in every layer, and are held once.
    expect(total).toBeLessThan(spanBytes(built.manifest, 0, 3));
    expect(steps[0]).toEqual({ doneBytes: 0, totalBytes: layerBytes[1], fromCacheBytes: 0, bytesPerSecond: 0 });
    expect(steps.at(-1)).toMatchObject({ doneBytes: layerBytes[1], totalBytes: layerBytes[1], fromCacheBytes: 0 });
    expect(steps.map((step) => step.doneBytes)).toEqual(steps.map((step) => step.doneBytes).toSorted((a, b) => a - b));
  });

  test("reads tiles from the store if it has them, and then makes no request", async () => {
    const store = new OpenStore();
    const first = await load({ store });
    server.requests.length = 0;
    const steps: TileProgress[] = [];
    const second = await load({ store, onProgress: (progress) => steps.push(progress) });
    expect(server.requests).toEqual([]);
    expect(second).toEqual(first);
    expect(steps.at(-1)?.fromCacheBytes).toBe(steps.at(-1)?.totalBytes);
    // Another span of the same model finds what both share.
    await load({ store, span: { start: 1, end: 3 }, onProgress: (progress) => steps.push(progress) });
    expect(steps.at(-1)?.fromCacheBytes).toBeGreaterThan(0);
    expect(steps.at(-1)?.fromCacheBytes).toBeLessThan(steps.at(-1)?.totalBytes ?? 0);
  });

  test("a flipped byte from the source is refused and never stored", async () => {
    const embedding = tensorAt("model.embed_tokens.weight");
    server.files.set(DATA, flip(data, embedding.offset + 1_100_000)); // in its second tile
    const store = new OpenStore();
    await expect(load({ store })).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    expect(store.tiles.has(toHex(embedding.tiles[1] ?? new Uint8Array()))).toBe(false);
    server.files.set(DATA, data);
    await load({ store });
    expect(store.tiles.has(toHex(embedding.tiles[1] ?? new Uint8Array()))).toBe(true);
  });

  test("a flipped byte in the store is dropped and fetched again", async () => {
    const store = new OpenStore();
    const first = await load({ store });
    const hash = toHex(tensorAt("model.layers.0.attn.o_proj.MatMul.weight").tiles[0] ?? new Uint8Array());
    const tile = store.tiles.get(hash) ?? new Uint8Array();
    tile[7] = (tile[7] ?? 0) ^ 4;
    server.requests.length = 0;
    expect(await load({ store })).toEqual(first);
    expect(store.deleted).toEqual([hash]);
    expect(server.requests).toHaveLength(1);
    expect(store.tiles.get(hash)).not.toEqual(tile);
  });

  test("a stored tile that is cut short is dropped and fetched again", async () => {
    const store = new OpenStore();
    const first = await load({ store });
    for (const [hash, tile] of store.tiles) store.tiles.set(hash, tile.slice(0, -1));
    expect(await load({ store })).toEqual(first);
  });

  test("a file that is cut short is refused", async () => {
    server.files.set(DATA, data.subarray(0, 1_000_000));
    await expect(load()).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  });

  test("rejects if a source cannot be reached", async () => {
    server.faults.push(...Array.from({ length: 50 }, () => 0));
    await expect(load()).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
  });

  test("goes on without a store that fails, and logs it", async () => {
    const fail = (): Promise<never> => Promise.reject(new Error("the quota is used up"));
    const warnings: string[] = [];
    const log = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message) };
    const source = await load({ store: { get: fail, put: fail, delete: fail }, log });
    expect(source.externalData.length).toBeGreaterThan(0);
    expect(warnings.length).toBeGreaterThan(0);
  });

  test("does not wait long for a disk that writes nothing: loading goes on, and the disk gets no more tiles", async () => {
    const puts: string[] = [];
    const put = (hash: string): Promise<void> => {
      puts.push(hash);
      return new Promise(() => {});
    };
    const store: TileStore = { get: () => Promise.resolve(undefined), put, delete: () => Promise.resolve() };
    const pauses: number[] = [];
    const clock = { now: () => 0, sleep: (ms: number) => Promise.resolve(void pauses.push(ms)) };
    const warnings: string[] = [];
    const log = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message) };
    expect((await load({ store, clock, log })).externalData.length).toBeGreaterThan(4);
    expect(puts).toHaveLength(4);
    expect(pauses).toEqual([15_000]);
    expect(warnings).toEqual([expect.stringContaining("too slow")]);
  });

  test("stops with the signal's reason, before and during", async () => {
    const reason = new Error("left");
    await expect(load({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    const loading = load({ signal: stop.signal, onProgress: ({ doneBytes }) => doneBytes > 0 && stop.abort(reason) });
    await expect(loading).rejects.toBe(reason);
  });

  test("a manifest of another graph is refused", async () => {
    const tensors = built.manifest.tensors.map((tensor) => ({ ...tensor, name: `${tensor.name}.other` }));
    await expect(load({ manifest: { ...built.manifest, tensors } })).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  });
});

describe("the small files", () => {
  const location = () => ({ ...testHttp(), baseUrl: server.baseUrl });

  test("are fetched and checked", async () => {
    const manifest = await fetchManifest(location(), built.id, never);
    expect(manifest).toMatchObject({ name: "wide-3x32", layerCount: 3 });
    const files = await fetchModelFiles(location(), manifest, never);
    expect(files.graph).toEqual(built.graph.bytes);
    expect(files.tokenizer?.length).toBe(manifest.tokenizer?.size);
  });

  test("a manifest that does not have the id is refused", async () => {
    const { id } = built;
    const other = asModelId(`${id.slice(0, -1)}${id.endsWith("a") ? "b" : "a"}`);
    await expect(fetchManifest(location(), other, never)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    server.files.set(MANIFEST_FILE, flip(server.files.get(MANIFEST_FILE) ?? new Uint8Array(), 100));
    await expect(fetchManifest(location(), id, never)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  });

  test.each(["model.onnx", "tokenizer.json", "tokenizer_config.json"])(
    "%s is refused with a flipped byte, cut short, or missing",
    async (file) => {
      const whole = server.files.get(file) ?? new Uint8Array();
      const manifest = await fetchManifest(location(), built.id, never);
      server.files.set(file, flip(whole, 20));
      await expect(fetchModelFiles(location(), manifest, never)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
      server.files.set(file, whole.subarray(0, -1));
      await expect(fetchModelFiles(location(), manifest, never)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
      server.files.delete(file);
      await expect(fetchModelFiles(location(), manifest, never)).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
    },
  );
});
