// The credit service over real streams, for tests: a relay's libp2p node and ledger, a clock that tests move, and peers
// that dial the node.
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { startRelayNode } from "../../relay/streams/relay-node.ts";
import { CreditService } from "../../relay/ledger/credit-service.ts";
import { Directory } from "../../relay/directory/directory.ts";
import { Ledger } from "../../relay/ledger/ledger.ts";
import { ModelStorageAudit } from "../../relay/ledger/storage-audit.ts";
import { findModels } from "../../relay/models.ts";
import { CreditClient } from "../../src/credit/credit-client.ts";
import { createTabNode } from "../../src/mesh/libp2p/libp2p-node.ts";
import { StreamLink } from "../../src/mesh/libp2p/stream-link.ts";
import { decodeManifest, MANIFEST_FILE, TILE_BYTES } from "../../src/model/tiles/manifest.ts";
import { PROTOCOLS } from "../../src/protocol/version.ts";
import { toHex } from "../../src/shared/bytes.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import { makeManifest } from "../../tools/model/make-manifest.ts";
import { syncSigner } from "../../tools/soak/parts/make-receipts.ts";
import { BUNDLED } from "../support/bundled-model.ts";

export type Shelf = ConstructorParameters<typeof CreditClient>[0]["shelf"];
export const EMPTY: Shelf = { get: () => Promise.resolve(undefined) };

export async function creditHarness() {
  const dir = await mkdtemp(join(tmpdir(), "manyhands-credit-"));
  const folder = join(dir, "tales-2m");
  await cp(BUNDLED.folder, folder, { recursive: true });
  const model = await makeManifest(folder);
  const models = await findModels(join(dir, "none"), [folder]);
  const ledger = await Ledger.open({ location: ":memory:", now: Date.now });
  const directory = new Directory();
  const clock = { nowMs: 0 };
  const service = new CreditService({
    ledger,
    costOf: (id) => models.find((each) => each.id === id)?.cost,
    storage: new ModelStorageAudit({ models, swarm: () => directory.swarm, log: silentLog }),
    clock: { now: () => clock.nowMs, sleep: () => Promise.resolve() },
    now: Date.now,
    random: () => 0,
    log: silentLog,
  });
  const relayNode = await startRelayNode(new Uint8Array(randomBytes(32)));
  await relayNode.handle(PROTOCOLS.credit, service.accept);
  const stops: (() => Promise<unknown>)[] = [];

  const raw = async () => {
    const seed = new Uint8Array(randomBytes(32));
    const node = await createTabNode({ seed, iceServers: [] });
    stops.push(async () => node.stop());
    const dial = (): Promise<Stream> =>
      node.dialProtocol(multiaddr(`/ip4/127.0.0.1/tcp/${relayNode.port}/ws/p2p/${relayNode.peerId}`), PROTOCOLS.credit);
    return { signer: syncSigner(seed), stream: await dial(), dial };
  };
  return {
    model,
    costOf: (id: string) => models.find((each) => each.id === id)?.cost,
    directory,
    ledger,
    service,
    clock,
    /** Makes a peer with a stream over which any bytes can be sent. */
    raw,
    /** Makes a peer with a client of the ledger. */
    join: async (shelf: Shelf = EMPTY) => {
      const { signer, stream, dial } = await raw();
      const clientOn = (on: Stream) =>
        new CreditClient({ link: new StreamLink(on, asPeerId(relayNode.peerId)), shelf, clock: systemClock, log: silentLog });
      return { signer, client: clientOn(stream), again: async () => clientOn(await dial()) };
    },
    /** Returns all tiles of the bundled model. */
    tiles: async (): Promise<Shelf> => {
      const manifest = decodeManifest(new Uint8Array(await readFile(join(folder, MANIFEST_FILE))));
      const tiles = new Map<string, Uint8Array>();
      for (const tensor of manifest.tensors) {
        const file = await readFile(join(folder, manifest.dataFiles[tensor.file]?.path ?? ""));
        for (const [index, hash] of tensor.tiles.entries()) {
          const start = tensor.offset + index * TILE_BYTES;
          tiles.set(toHex(hash), new Uint8Array(file.subarray(start, Math.min(start + TILE_BYTES, tensor.offset + tensor.length))));
        }
      }
      return { get: (hash) => Promise.resolve(tiles.get(toHex(hash))) };
    },
    stop: async () => {
      await Promise.all(stops.map((stop) => stop()));
      await service.stop();
      await relayNode.stop();
      await ledger.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
