// A swarm in memory: real engines and the real session protocol over `MemoryMesh`, for tests in Node.
import type { Engine, StepInput } from "../../src/engine/contract.ts";
import { SpanService, type SpanServiceEvents } from "../../src/inference/server/span-service.ts";
import { MemoryNetwork, type MemoryMesh } from "../../src/mesh/memory/memory-mesh.ts";
import { LoopbackMesh } from "../../src/mesh/memory/loopback-mesh.ts";
import { sessionProtocol } from "../../src/protocol/version.ts";
import type { Hop, Route } from "../../src/route/plan-route.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId, type PeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";
import { bundledEngine } from "./bundled-model.ts";

export interface SwarmPeer {
  readonly mesh: Mesh;
  readonly service: SpanService;
  readonly hop: Hop;
  readonly refused: SpanServiceEvents["frame:refused"][];
  /** Changes the hidden states that this peer computed, if it cheats. */
  tamper: ((hidden: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) | undefined;
}

export interface MemorySwarm {
  readonly network: MemoryNetwork;
  readonly peers: readonly SwarmPeer[];
  readonly route: Route;
  /** Adds a peer that serves `[start, end)`. */
  add(name: string, start: number, end: number, wrap?: WrapEngine): Promise<SwarmPeer>;
  /** Adds a peer without a span. */
  guest(name: string): MemoryMesh;
  stop(): Promise<void>;
}

/** Returns what a peer runs in place of its engine. */
export type WrapEngine = (engine: Engine) => Engine | Promise<Engine>;

export interface MemorySwarmOptions {
  /** By the index of the span. */
  readonly wrap?: Readonly<Record<number, WrapEngine>>;
  /** Default: the engine of the bundled model. */
  readonly startEngine?: (start: number, end: number) => Promise<Engine>;
  readonly nameOf?: (start: number, end: number) => string;
}

/** Starts one peer for each of the spans into which `boundaries` cut the eight layers. */
export async function startMemorySwarm(
  boundaries: readonly number[],
  { wrap = {}, startEngine = bundledEngine, nameOf = (start, end) => `peer-of-layers-${start}-${end}` }: MemorySwarmOptions = {},
): Promise<MemorySwarm> {
  const network = new MemoryNetwork();
  const edges = [0, ...boundaries, 8];
  const peers: SwarmPeer[] = [];
  const add = async (name: string, start: number, end: number, wrapped: WrapEngine = (engine) => engine): Promise<SwarmPeer> => {
    const mesh = new LoopbackMesh(network.join(asPeerId(name)));
    const engine = await wrapped(await startEngine(start, end));
    const service = new SpanService({ engine: tampering(engine, () => peer.tamper), mesh, clock: systemClock, log: silentLog });
    mesh.handle(sessionProtocol(engine.plan.model, { start, end }), (link) => service.accept(link));
    const refused: SwarmPeer["refused"] = [];
    service.on("frame:refused", (event) => refused.push(event));
    const peer: SwarmPeer = { mesh, service, hop: { peer: mesh.self, span: { start, end } }, refused, tamper: undefined };
    peers.push(peer);
    return peer;
  };
  for (const [index, end] of edges.slice(1).entries()) {
    const start = edges[index] ?? 0;
    await add(nameOf(start, end), start, end, wrap[index]);
  }
  return {
    network,
    peers,
    route: peers.map((peer) => peer.hop),
    add,
    guest: (name) => network.join(asPeerId(name)),
    stop: async () => {
      await Promise.all(peers.map(({ service }) => service.stop()));
      await Promise.all(peers.map(({ mesh }) => mesh.stop()));
    },
  };
}

/** Returns an engine whose hidden states pass through `tamper()`, if that returns a function. */
function tampering(engine: Engine, tamper: () => SwarmPeer["tamper"]): Engine {
  return new Proxy(engine, {
    get: (target, name) => {
      if (name !== "step") {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return async (input: StepInput) => {
        const output = await target.step(input);
        const change = tamper();
        return change && output.hidden ? { ...output, hidden: change(output.hidden) } : output;
      };
    },
  });
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
