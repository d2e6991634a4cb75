// A real relay on a free port for tests in Node, peers that join it over WebSocket, and a bare stream for garbage.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import type { Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { type Relay, startRelay } from "../../relay/relay.ts";
import type { RelayConfig } from "../../relay/config.ts";
import { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";
import { createTabNode } from "../../src/mesh/libp2p/libp2p-node.ts";
import { RelayDirectory } from "../../src/mesh/libp2p/relay-directory.ts";
import type { RelayPort } from "../../src/mesh/libp2p/relay-connection.ts";
import { PROTOCOLS } from "../../src/protocol/version.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";

export interface TestRelay {
  readonly relay: Relay;
  readonly dataDir: string;
  stop(): Promise<void>;
}

/** Starts a relay with a data folder of its own, on a free port. `options` may change both. */
export async function testRelay(options: Partial<RelayConfig> = {}): Promise<TestRelay> {
  const dir = await mkdtemp(join(tmpdir(), "manyhands-relay-"));
  const dataDir = options.data ?? dir;
  const relay = await startRelay({ port: 0, site: join(dir, "no-site"), ...options, data: dataDir });
  return {
    relay,
    dataDir,
    stop: async () => {
      await relay.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Resolves once `relay` is in state `kind`. */
export function reached(relay: RelayPort, kind: RelayPort["relay"]["kind"]): Promise<void> {
  if (relay.relay.kind === kind) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = relay.on("relay:changed", (status) => {
      if (status.kind !== kind) return;
      stop();
      resolve();
    });
  });
}

/** Starts a mesh, and waits until it is connected to the relay. `random` is 0, which makes the shortest pauses. */
export async function joinMesh(relayAddress: () => string): Promise<Libp2pMesh> {
  const mesh = await Libp2pMesh.start({ seed: randomBytes(32), relayAddresses: async () => [relayAddress()], random: () => 0 });
  await reached(mesh, "connected");
  return mesh;
}

export const directoryOf = (mesh: Libp2pMesh): RelayDirectory =>
  new RelayDirectory({ relay: mesh, clock: systemClock, random: () => 0, log: silentLog });

/** Opens a bare stream of the directory protocol to the relay, over which any bytes can be sent. */
export async function rawDirectoryStream(
  relay: Relay,
): Promise<{ readonly stream: Stream; readonly closed: Promise<void>; stop(): Promise<void> }> {
  const node = await createTabNode({ seed: randomBytes(32), iceServers: [] });
  const stream = await node.dialProtocol(multiaddr(relay.address), PROTOCOLS.directory);
  const closed = new Promise<void>((resolve) => {
    stream.addEventListener("close", () => resolve(), { once: true });
  });
  return {
    stream,
    closed,
    stop: async () => {
      await node.stop();
    },
  };
}
