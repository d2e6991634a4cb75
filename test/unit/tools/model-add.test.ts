// Adding a model: a stream and files give the same manifest, so do a hub and a folder, and each failure is a sentence.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { detachWeights } from "../../../src/model/cut/detach-weights.ts";
import { decodeManifest, manifestId } from "../../../src/model/tiles/manifest.ts";
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from "../../../src/model/graph/onnx_pb.ts";
import { externalRange, readOnnx, writeOnnx } from "../../../src/model/graph/read-onnx.ts";
import { addModel } from "../../../tools/model/add.ts";
import { findSource } from "../../../tools/model/find-source.ts";
import { manifestOfFolder } from "../../../tools/model/model-folder.ts";
import { splitOnnx } from "../../../tools/model/split-onnx.ts";
import { verifyFolder } from "../../../tools/model/verify.ts";
import { COMMIT, type Hub, startHub } from "../../../tools/hub/hub-server.ts";
import { smallModel } from "../model/test-models.ts";

let small: Awaited<ReturnType<typeof smallModel>>;
let inline: Uint8Array;
/** Where the hub redirects downloads to. */
const CDN = `cdn/org/small/resolve/${COMMIT}/onnx/`;
let hub: Hub;
let to: string;

/** The small model as one file with its weights inside. */
async function inlined(folder: string): Promise<Uint8Array> {
  const { model, graph } = readOnnx(new Uint8Array(await readFile(path.join(folder, "model.onnx"))));
  const data = new Uint8Array(await readFile(path.join(folder, "model.onnx.data")));
  const initializer = graph.initializer.map((tensor) => {
    const range = externalRange(tensor);
    if (range === undefined) return tensor;
    const { name, dataType, dims } = tensor;
    return create(TensorProtoSchema, { name, dataType, dims, rawData: data.slice(range.offset, range.offset + range.length) });
  });
  return writeOnnx(create(ModelProtoSchema, { ...model, graph: create(GraphProtoSchema, { ...graph, initializer }) }));
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

const add = async (target: string, options: { revision?: string; file?: string; keepWeights?: boolean } = {}) =>
  addModel({
    source: await findSource({ target, hub: hub.url, revision: options.revision, file: options.file }),
    to,
    keepWeights: options.keepWeights ?? false,
    given: { name: "small" },
    onProgress: () => {},
  });

beforeAll(async () => {
  small = await smallModel();
  inline = await inlined(small.folder);
});
afterAll(() => small.remove());
beforeEach(async () => {
  to = await mkdtemp(path.join(os.tmpdir(), "manyhands-add-"));
  hub = await startHub();
  for (const name of ["model.onnx", "model.onnx.data"])
    hub.files.set(`org/small/onnx/${name}`, new Uint8Array(await readFile(path.join(small.folder, name))));
  hub.files.set("org/small/config.json", Buffer.from('{"max_position_embeddings": 64, "eos_token_id": 3}'));
  hub.files.set("org/small/generation_config.json", Buffer.from('{"eos_token_id": [3, 5]}'));
  hub.files.set("org/small/chat_template.jinja", Buffer.from("{{ messages[0].content }}"));
  hub.files.set("org/small/README.md", Buffer.from("---\nlicense: apache-2.0\n---\n# Small\n"));
});
afterEach(async () => {
  await hub.stop();
  await rm(to, { recursive: true, force: true });
});

describe("a stream", () => {
  test.each([1, 7, 1000, 65_536, 10_000_000])("in pieces of %i bytes splits as the whole file does", async (size) => {
    const whole = detachWeights(inline, "model.onnx");
    const split = await splitOnnx(inPieces(size === 1 ? inline.subarray(0) : inline, size), "model.onnx");
    expect(split).toMatchObject({ isRewritten: true, size: inline.byteLength, weights: whole.weights });
    expect(Buffer.from(split.skeleton)).toEqual(Buffer.from(whole.skeleton));
  });

  test("of a file without weights inside is kept as it is", async () => {
    const graph = new Uint8Array(await readFile(path.join(small.folder, "model.onnx")));
    const split = await splitOnnx(inPieces(graph, 999), "model.onnx");
    expect(split.isRewritten).toBe(false);
    expect(Buffer.from(split.skeleton)).toEqual(Buffer.from(graph));
  });

  test("that ends early is corrupt, wherever it ends", async () => {
    for (const length of [3, 100, 5000, inline.byteLength - 1])
      await expect(splitOnnx(inPieces(inline.subarray(0, length), 4096), "model.onnx")).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  });

  test.each([
    ["a pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", /git lfs pull/],
    ["GGUF", "GGUF\u0003\0\0\0", /GGUF/],
    ["a checkpoint", "PK\u0003\u0004archive/data.pkl", /PyTorch/],
    ["safetensors", '\u0010\0\0\0\0\0\0\0{"__metadata__":{}}', /safetensors/],
    ["a page", "<!doctype html><html>", /web page/],
    ["JSON", '{"error":"not found"}', /JSON/],
    ["nothing", "", /empty/],
  ])("that is something else is recognised: %s", async (_what, text, words) => {
    const sent = splitOnnx(inPieces(Buffer.from(text, "latin1"), 10), "model.onnx");
    await expect(sent).rejects.toMatchObject({ code: "BAD_INPUT", message: expect.stringMatching(words) as string });
  });
});

describe("adding", () => {
  test("a folder gives the manifest of its files, and copies every file that it names", async () => {
    const built = await add(small.folder, { keepWeights: true });
    expect(built.id).toBe((await manifestOfFolder(small.folder, { name: "small" })).id);
    expect(await verifyFolder(to)).toMatchObject({ id: built.id, wrong: [], elsewhere: [] });
  });

  test("from a hub reads each file once and notes where it came from; weights stay there unless they are wanted", async () => {
    const built = await add("org/small");
    expect(built.manifest).toMatchObject({
      licence: "apache-2.0",
      contextLength: 64,
      eosTokens: [3, 5],
      chatTemplate: "{{ messages[0].content }}",
      dtype: "fp32",
      origin: { url: `${hub.url}org/small/resolve/${COMMIT}/onnx/`, repository: "org/small", revision: COMMIT },
    });
    expect(hub.asked.filter((line) => line.startsWith("cdn/")).toSorted()).toEqual([`${CDN}model.onnx`, `${CDN}model.onnx.data`]);
    expect(await verifyFolder(to)).toMatchObject({ wrong: [], elsewhere: ["model.onnx.data"] });
    expect(await manifestId(new Uint8Array(await readFile(path.join(to, "manifest.cbor"))))).toBe(built.id);
    const kept = await add("org/small", { keepWeights: true });
    expect(kept.id).toBe(built.id);
    expect(await verifyFolder(to)).toMatchObject({ wrong: [], elsewhere: [] });
  });

  test("hashes weights inside the ONNX file", async () => {
    hub.files.set("org/inline/onnx/model_q4.onnx", inline);
    const { manifest } = await add("org/inline", { keepWeights: true });
    const folder = await manifestOfFolder(small.folder);
    expect(manifest.dataFiles).toEqual([{ path: "model_q4.onnx", size: inline.byteLength }]);
    const tiles = (of: typeof manifest) =>
      new Map(of.tensors.map((tensor) => [tensor.name, tensor.tiles.map((tile) => Buffer.from(tile).toString("hex"))]));
    expect(manifest.tensors.length).toBeGreaterThan(10);
    for (const [name, expected] of tiles(manifest)) expect(tiles(folder.manifest).get(name)).toEqual(expected);
    expect(await verifyFolder(to)).toMatchObject({ wrong: [], elsewhere: [] });
  });

  test("resumes where a connection broke", async () => {
    hub.breaks.push(5000, 60_000);
    const built = await add("org/small");
    expect(hub.asked).toContain(`${CDN}model.onnx bytes=5000-`);
    expect(built.manifest.tensors).toEqual((await manifestOfFolder(small.folder)).manifest.tensors);
  });

  test("works with a mirror that lists nothing", async () => {
    hub.hasListing = false;
    expect((await add("org/small")).manifest.origin?.revision).toBe("main");
  });
});

describe("what cannot be added", () => {
  const refuse = async (work: Promise<unknown>, code: string, words: RegExp): Promise<void> => {
    await expect(work).rejects.toMatchObject({ code, message: expect.stringMatching(words) as string });
    expect(existsSync(path.join(to, "manifest.cbor"))).toBe(false);
  };
  test("an id that does not exist", () => refuse(add("org/nothing"), "MODEL_UNAVAILABLE", /no model "org\/nothing"/));
  test("a revision that does not exist", () => refuse(add("org/small", { revision: "v9" }), "MODEL_UNAVAILABLE", /no revision "v9"/));
  test("a file that does not exist", () =>
    refuse(add("org/small", { file: "onnx/other.onnx" }), "MODEL_UNAVAILABLE", /does not exist|no file/));
  test("a hub that cannot be reached", async () => {
    await hub.stop();
    await refuse(add("org/small"), "MODEL_UNAVAILABLE", /cannot be reached/);
  });
  test("a name that is no id", () => refuse(add("what is this"), "BAD_INPUT", /organisation\/name/));
  test("weights that are cut short", async () => {
    const data = hub.files.get("org/small/onnx/model.onnx.data") ?? new Uint8Array();
    hub.files.set("org/small/onnx/model.onnx.data", data.subarray(0, 10_000));
    await refuse(add("org/small"), "MODEL_CORRUPT", /cut short/);
  });
  test("weights that are missing", async () => {
    hub.files.delete("org/small/onnx/model.onnx.data");
    await refuse(add("org/small"), "MODEL_UNAVAILABLE", /model\.onnx\.data/);
  });
  test.each(["../../secret", "/etc/passwd", "..\\x", "a/../../b"])("weights that the graph expects at %s", async (place) => {
    const { model, graph } = readOnnx(new Uint8Array(await readFile(path.join(small.folder, "model.onnx"))));
    for (const tensor of graph.initializer) for (const entry of tensor.externalData) if (entry.key === "location") entry.value = place;
    const folder = await mkdtemp(path.join(os.tmpdir(), "manyhands-climb-"));
    await writeFile(path.join(folder, "model.onnx"), writeOnnx(model));
    await refuse(add(folder), "MODEL_UNSUPPORTED", /leads out of the model's folder/);
    await expect(manifestOfFolder(folder)).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
    await rm(folder, { recursive: true });
  });
});

test("verifying names the file, the tile and its fault", async () => {
  await add(small.folder, { keepWeights: true });
  const file = path.join(to, "model.onnx.data");
  const bytes = await readFile(file);
  const { tensors } = decodeManifest(new Uint8Array(await readFile(path.join(to, "manifest.cbor"))));
  const tensor = tensors.at(-1);
  bytes.writeUInt8(bytes.readUInt8(tensor?.offset ?? 0) ^ 1, tensor?.offset);
  await writeFile(file, bytes);
  expect((await verifyFolder(to)).wrong).toEqual([
    expect.stringContaining(`tile 1 of ${tensor?.tiles.length} of "${tensor?.name}" does not match`),
  ]);
  await writeFile(file, bytes.subarray(0, bytes.byteLength - 1));
  expect((await verifyFolder(to)).wrong.length).toBeGreaterThan(1);
  await rm(file);
  expect((await verifyFolder(to)).wrong).toEqual([expect.stringMatching(/model\.onnx\.data" is missing/)]);
  await expect(verifyFolder(path.join(to, "none"))).rejects.toMatchObject({ code: "BAD_INPUT" });
});
