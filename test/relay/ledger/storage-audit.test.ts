// Questions about storage: the replies that are expected, by the relay's own weights or by the origin's, and the peers
// that are asked.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Directory } from "../../../relay/directory/directory.ts";
import { LEDGER_RULES } from "../../../relay/ledger/plan-posting.ts";
import { ModelStorageAudit, type StorageQuestion } from "../../../relay/ledger/storage-audit.ts";
import { findModels } from "../../../relay/models.ts";
import { proveRange } from "../../../src/credit/storage-proof.ts";
import { decodeManifest, encodeManifest, MANIFEST_FILE, TILE_BYTES } from "../../../src/model/tiles/manifest.ts";
import { CREDIT_LIMITS } from "../../../src/protocol/credit-frames.ts";
import { bytesEqual } from "../../../src/shared/bytes.ts";
import type { ModelId, PeerId, Span } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { newSigner } from "../../../tools/soak/parts/make-receipts.ts";
import { makeManifest } from "../../../tools/model/make-manifest.ts";
import { BUNDLED, readBundled } from "../../support/bundled-model.ts";
import { startModelServer } from "../../unit/model/model-server.ts";

let dir: string;
let folder: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "manyhands-storage-"));
  folder = join(dir, "tales-2m");
  await cp(BUNDLED.folder, folder, { recursive: true });
  await makeManifest(folder);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** An audit of the model in `at`, and peers that serve spans of it. */
async function setUp(at: string, log = silentLog) {
  const models = await findModels(join(dir, "none"), [at]);
  const directory = new Directory();
  const audit = new ModelStorageAudit({ models, swarm: () => directory.swarm, log });
  const serve = (span: Span, model: ModelId | undefined = models[0]?.id): PeerId => {
    const { peer } = newSigner();
    if (model === undefined) throw new Error("no model was found");
    const rest = { backend: "wasm", layerMs: null, sessions: 0, tokensServed: 0, host: "page" } as const;
    directory.announce(peer, {}, { model, target: span, serving: [span], ...rest }, 0);
    return peer;
  };
  return { audit, serve };
}

/** The reply of a peer that has the whole model. */
async function replyTo({ tile, start, end, nonce }: StorageQuestion): Promise<Uint8Array | undefined> {
  const manifest = decodeManifest(new Uint8Array(await readFile(join(folder, MANIFEST_FILE))));
  for (const tensor of manifest.tensors) {
    const index = tensor.tiles.findIndex((hash) => bytesEqual(hash, tile));
    if (index < 0) continue;
    const file = readBundled(manifest.dataFiles[tensor.file]?.path ?? "");
    const from = tensor.offset + index * TILE_BYTES;
    return proveRange(nonce, file.subarray(from + start, from + end));
  }
  return undefined;
}

test("a holder that has the bytes replies right, and no two questions are the same", async () => {
  const { audit, serve } = await setUp(folder);
  const peer = serve({ start: 0, end: 8 });
  const nonces = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const question = await audit.ask(peer);
    if (question === undefined) throw new Error("nothing was asked");
    expect(question.holders).toBe(1);
    expect(question.end - question.start).toBeLessThanOrEqual(CREDIT_LIMITS.challengeBytes);
    expect(await replyTo(question)).toEqual(question.expected);
    nonces.add(question.nonce.join());
  }
  expect(nonces.size).toBe(20);
});

test("a peer is not asked if it is unknown, or holds nothing, or only tiles that many hold", async () => {
  const { audit, serve } = await setUp(folder);
  const [first] = Array.from({ length: LEDGER_RULES.rareHolders }, () => serve({ start: 0, end: 4 }));
  expect(await audit.ask(first ?? newSigner().peer)).toBeUndefined();
  expect(await audit.ask(newSigner().peer)).toBeUndefined();
  const alone = serve({ start: 4, end: 8 });
  expect(await audit.ask(alone)).toMatchObject({ holders: 1 });
});

test("weights that stay at the origin are fetched there, a range at a time; if the origin fails, nobody is asked", async () => {
  const server = await startModelServer();
  const at = join(dir, "stays-at-the-hub");
  await cp(folder, at, { recursive: true });
  const manifest = decodeManifest(new Uint8Array(await readFile(join(at, MANIFEST_FILE))));
  const weights = manifest.dataFiles[0]?.path ?? "";
  server.files.set(weights, readBundled(weights));
  await rm(join(at, weights));
  const { bytes } = await encodeManifest({ ...manifest, origin: { url: server.baseUrl, repository: null, revision: null } });
  await writeFile(join(at, MANIFEST_FILE), bytes);
  const { audit, serve } = await setUp(at);
  const peer = serve({ start: 0, end: 8 });
  const question = await audit.ask(peer);
  if (question === undefined) throw new Error("nothing was asked");
  expect(await replyTo(question)).toEqual(question.expected);
  expect(server.requests.length).toBe(1);
  server.faults.push(500);
  expect(await audit.ask(peer)).toBeUndefined();
  server.ranges = false;
  expect(await audit.ask(peer)).toBeUndefined();
  await server.close();
});

test("an old manifest, which does not say which layers read which tensors, is still served but not audited, and the log says so once", async () => {
  const at = join(dir, "older");
  await cp(folder, at, { recursive: true });
  const manifest = decodeManifest(new Uint8Array(await readFile(join(at, MANIFEST_FILE))));
  const tensors = manifest.tensors.map(({ layers: _layers, ...tensor }) => tensor);
  await writeFile(join(at, MANIFEST_FILE), (await encodeManifest({ ...manifest, tensors })).bytes);
  const warnings: string[] = [];
  const { audit, serve } = await setUp(at, { ...silentLog, warn: (message) => void warnings.push(message) });
  const peer = serve({ start: 0, end: 8 });
  expect(await audit.ask(peer)).toBeUndefined();
  expect(await audit.ask(peer)).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining("storage is not audited")]);
});
