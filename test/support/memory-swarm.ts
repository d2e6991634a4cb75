// A swarm in memory: real engines and the real session protocol over `MemoryMesh`, for tests in Node.
import { SpanService, type SpanServiceEvents } from "../../src/inference/span-service.ts";
import { MemoryNetwork, type MemoryMesh } from "../../src/mesh/memory-mesh.ts";
import { LoopbackMesh } from "../../src/mesh/loopback-mesh.ts";
import { sessionProtocol } from "../../src/protocol/version.ts";
import type { Hop, Route } from "../../src/route/plan-route.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId, type PeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import type { Mesh } from "../../src/mesh/mesh.ts";
import { bundledEngine } from "./bundled-model.ts";

export interface SwarmPeer {
  readonly mesh: Mesh;
  readonly service: SpanService;
  readonly hop: Hop;
  readonly refused: SpanServiceEvents["frame:refused"][];
}

export interface MemorySwarm {
  readonly network: MemoryNetwork;
  readonly peers: readonly SwarmPeer[];
  readonly route: Route;
  /** A peer without a span. */
  guest(name: string): MemoryMesh;
  stop(): Promise<void>;
}

/** One peer for each of the spans that `boundaries` cut the eight layers into. */
export async function startMemorySwarm(boundaries: readonly number[]): Promise<MemorySwarm> {
  const network = new MemoryNetwork();
  const edges = [0, ...boundaries, 8];
  const peers: SwarmPeer[] = [];
  for (const [index, end] of edges.slice(1).entries()) {
    const start = edges[index] ?? 0;
    const mesh = new LoopbackMesh(network.join(asPeerId(`peer-of-layers-${start}-${end}`)));
    const engine = await bundledEngine(start, end);
    const service = new SpanService({ engine, mesh, clock: systemClock, log: silentLog });
    mesh.handle(sessionProtocol(engine.plan.model, { start, end }), (link) => service.accept(link));
    const refused: SwarmPeer["refused"] = [];
    service.on("frame:refused", (event) => refused.push(event));
    peers.push({ mesh, service, hop: { peer: mesh.self, span: { start, end } }, refused });
  }
  return {
    network,
    peers,
    route: peers.map((peer) => peer.hop),
    guest: (name) => network.join(asPeerId(name)),
    stop: async () => {
      await Promise.all(peers.map(({ service }) => service.stop()));
      await Promise.all(peers.map(({ mesh }) => mesh.stop()));
    },
  };
}

/** Resolves once no span of the swarm holds a session. */
export async function allIdle(swarm: MemorySwarm): Promise<void> {
  for (const { service } of swarm.peers) {
    while (service.openSessions > 0) {
      await new Promise<void>((resolve) => {
        const stop = service.on("sessions:changed", () => {
          stop();
          resolve();
        });
      });
    }
  }
}

export const randomBytes = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => crypto.getRandomValues(bytes);
export const nobody: PeerId = asPeerId("nobody-at-all");
