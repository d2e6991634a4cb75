// Asks holders for proof of tiles: draws a random range of a tile that the peer says it
// serves, and knows the right reply.
import { randomBytes, randomInt } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { proveRange } from "../../src/credit/storage-proof.ts";
import { decodeManifest, type Manifest, MANIFEST_FILE, type ManifestTensor, TILE_BYTES } from "../../src/model/tiles/manifest.ts";
import { CREDIT_LIMITS } from "../../src/protocol/credit-frames.ts";
import type { PeerRecord, SwarmFrame } from "../../src/protocol/directory-frames.ts";
import { toHex } from "../../src/shared/bytes.ts";
import type { ModelId, PeerId } from "../../src/shared/ids.ts";
import type { Log } from "../../src/shared/log.ts";
import type { ModelFolder } from "../models.ts";
import { storagePay } from "./plan-posting.ts";

const DEFAULTS = Object.freeze({
  /** Tensors drawn before the audit gives up finding a rare one: a model that everybody holds has none. */
  draws: 16,
  /** Milliseconds for a range of an origin. */
  fetchMs: 10_000,
});

/** Bytes `[start, end)` of a tile, and the hash that proves them. */
export interface StorageQuestion {
  readonly tile: Uint8Array<ArrayBuffer>;
  readonly tileHex: string;
  readonly start: number;
  readonly end: number;
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly expected: Uint8Array<ArrayBuffer>;
  /** Number of peers that serve the tile, this one included. */
  readonly holders: number;
}

export interface StorageAudit {
  /**
   * Resolves with a question for a peer; undefined if it serves nothing rare, or if the
   * relay cannot get the bytes itself.
   */
  ask(peer: PeerId): Promise<StorageQuestion | undefined>;
}

export interface ModelStorageAuditOptions {
  readonly models: readonly ModelFolder[];
  readonly swarm: () => SwarmFrame;
  /** Says which models are not audited. */
  readonly log: Log;
}

export class ModelStorageAudit implements StorageAudit {
  readonly #options: ModelStorageAuditOptions;
  /** Each is read when a peer that serves it is first asked. Undefined for a model that cannot be audited. */
  readonly #manifests = new Map<ModelId, Promise<Manifest | undefined>>();

  constructor(options: ModelStorageAuditOptions) {
    this.#options = options;
  }

  async ask(peer: PeerId): Promise<StorageQuestion | undefined> {
    const { peers } = this.#options.swarm();
    const self = peers.find((record) => record.peer === peer);
    const folder = this.#options.models.find(({ id }) => id === self?.model);
    if (self === undefined || folder === undefined || self.serving.length === 0) return undefined;
    const reading = this.#manifests.get(folder.id) ?? this.#readManifest(folder);
    this.#manifests.set(folder.id, reading);
    const manifest = await reading;
    if (manifest === undefined) return undefined;
    const mates = peers.filter((record) => record.model === self.model);
    const held = manifest.tensors.filter((tensor) => holds(self, tensor));
    for (let draw = 0; draw < DEFAULTS.draws && held.length > 0; draw++) {
      const tensor = held[randomInt(held.length)] as ManifestTensor; // below its length
      const holders = mates.filter((record) => holds(record, tensor)).length;
      if (storagePay(holders) > 0) return question(folder, manifest, tensor, holders);
    }
    return undefined;
  }

  async #readManifest({ id, name, path }: ModelFolder): Promise<Manifest | undefined> {
    const manifest = decodeManifest(new Uint8Array(await readFile(join(path, MANIFEST_FILE))));
    if (manifest.tensors.every(({ layers }) => layers !== undefined)) return manifest;
    this.#options.log.warn("a model's storage is not audited: its manifest does not say which layers read which tensors; make it again", {
      name,
      model: id,
    });
    return undefined;
  }
}

/** Whether a peer serves a layer that reads the tensor, and so has its tiles. */
const holds = ({ serving }: PeerRecord, { layers = [] }: ManifestTensor): boolean =>
  serving.some((span) => layers.some((layer) => span.start <= layer && layer < span.end));

async function question(
  folder: ModelFolder,
  manifest: Manifest,
  tensor: ManifestTensor,
  holders: number,
): Promise<StorageQuestion | undefined> {
  const index = randomInt(tensor.tiles.length);
  const hash = tensor.tiles[index] as Uint8Array; // below its length
  const tileStart = index * TILE_BYTES;
  const tileBytes = Math.min(TILE_BYTES, tensor.length - tileStart);
  const sizeBytes = Math.min(tileBytes, CREDIT_LIMITS.challengeBytes);
  const start = randomInt(tileBytes - sizeBytes + 1);
  const file = manifest.dataFiles[tensor.file]?.path;
  const range = file && (await readRange(folder, manifest, file, tensor.offset + tileStart + start, sizeBytes));
  if (!range) return undefined;
  const nonce = new Uint8Array(randomBytes(16));
  const expected = await proveRange(nonce, range);
  return { tile: new Uint8Array(hash), tileHex: toHex(hash), start, end: start + sizeBytes, nonce, expected, holders };
}

/**
 * Resolves with bytes of the relay's own copy, or of the origin that the manifest names;
 * undefined if neither has the whole range.
 */
async function readRange(
  folder: ModelFolder,
  { origin }: Manifest,
  file: string,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  // The weights of some models stay at the hub.
  const handle = await open(join(folder.path, file)).catch(() => undefined);
  if (handle !== undefined) {
    try {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, offset);
      return bytesRead === length ? buffer : undefined;
    } finally {
      await handle.close();
    }
  }
  if (origin === null) return undefined;
  const response = await fetch(new URL(file, origin.url), {
    headers: { range: `bytes=${offset}-${offset + length - 1}` },
    signal: AbortSignal.timeout(DEFAULTS.fetchMs),
  });
  if (response.status !== 206) {
    await response.body?.cancel();
    return undefined;
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  return bytes.byteLength === length ? bytes : undefined;
}
