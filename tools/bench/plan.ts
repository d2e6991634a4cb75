// What planning a route or a placement costs in a large swarm, and whether routes of small swarms are optimal.
import { parseArgs } from "node:util";
import { isRouted } from "../../src/route/coverage.ts";
import type { PlacementPeer } from "../../src/route/layer-rates.ts";
import { planPlacement } from "../../src/route/plan-placement.ts";
import { planRoute, routeMs } from "../../src/route/plan-route.ts";
import type { RouteNeeds, RoutePeer } from "../../src/route/route-cost.ts";
import { asPeerId, type PeerId, type Span } from "../../src/shared/ids.ts";
import { everyRoute } from "./parts/every-route.ts";
import { spread } from "./parts/spread.ts";

const DEFAULTS = Object.freeze({
  peers: "10000",
  layers: "48",
  rounds: "30",
  /** Small swarms whose routes are all enumerated. */
  cases: "500",
  seed: "1",
  /** Round trips that each peer knows: a tab has at most ten connections. */
  neighbours: 8,
});

type Random = () => number;

export function run(args: readonly string[]): void {
  const option = (name: "peers" | "layers" | "rounds" | "cases" | "seed") => ({ type: "string" as const, default: DEFAULTS[name] });
  const { values } = parseArgs({
    args: [...args],
    options: { peers: option("peers"), layers: option("layers"), rounds: option("rounds"), cases: option("cases"), seed: option("seed") },
  });
  const [count, layers, rounds, cases, seed] = [values.peers, values.layers, values.rounds, values.cases, values.seed].map(Number);
  if (!count || !layers || !rounds || cases === undefined || seed === undefined)
    throw new Error("all options must be whole numbers from 1");
  const random = mulberry(seed);
  for (const known of ["room", "nothing"] as const) large(known, count, layers, rounds, random);
  const { optimal, routed } = small(cases, random);
  console.log(JSON.stringify({ bench: "plan", peers: "at most 9", layers: 6, optimal: `${optimal}/${cases}`, withRoute: routed }));
}

/**
 * Plans a swarm from nothing, then again after each peer that comes or goes, and routes through it. `known` is what
 * peers say of themselves: how many layers they have room for, or nothing.
 */
function large(known: "room" | "nothing", count: number, layers: number, rounds: number, random: Random): void {
  let joined = 0;
  const newcomer = (): PlacementPeer => {
    joined++;
    const layerMs = random() < 0.9 ? 1 + 30 * random() : undefined;
    const maxLayers = known === "room" ? 1 + Math.floor(layers * random() ** 2) : undefined;
    return { peer: asPeerId(`12D3KooW${joined.toString(36).padStart(44, "0")}`), joined, span: undefined, maxLayers, layerMs };
  };
  let peers = Array.from({ length: count }, newcomer);
  const placed = (): PlacementPeer[] => {
    const plan = planPlacement(peers, { layerCount: layers, headLayers: 1 });
    return peers.map((peer) => ({ ...peer, span: plan.get(peer.peer) }));
  };
  // Measurements of peers stay from round to round, so that inventing them leaves no garbage to collect within a round.
  const facts = new Map<PeerId, RoutePeer>();
  const factsOf = (peer: PlacementPeer): RoutePeer => {
    const measured = facts.get(peer.peer) ?? asRoutePeer(peer, peers, random);
    facts.set(peer.peer, measured);
    return { ...measured, serving: peer.span ? [peer.span] : [] };
  };
  const fromNothing = timed(() => (peers = placed()));
  const [placementMs, routingMs, moved, laps]: [Timing[], Timing[], number[], number[]] = [[], [], [], []];
  for (let round = 0; round < rounds; round++) {
    const gone = Math.floor(random() * peers.length);
    peers = round % 2 === 0 ? [...peers, newcomer()] : peers.filter((_, index) => index !== gone);
    const before = peers;
    placementMs.push(timed(() => (peers = placed())));
    moved.push(before.filter(({ span }, index) => span && JSON.stringify(span) !== JSON.stringify(peers[index]?.span)).length);
    const spans = peers.flatMap(({ span }) => (span ? [span] : []));
    if (!isRouted(spans, layers)) throw new Error("the placement leaves layers without a peer");
    const swarm = peers.map(factsOf);
    let lap = 0;
    routingMs.push(
      timed(() => {
        const route = planRoute(swarm, layers);
        if (!route) throw new Error("no route");
        lap = route.length;
      }),
    );
    laps.push(lap);
  }
  console.log(
    JSON.stringify({
      bench: "plan",
      peers: count,
      layers,
      told: known,
      routeMs: spread(routingMs.map(({ ms }) => ms)),
      placementMs: spread(placementMs.map(({ ms }) => ms)),
      // Of this thread alone: other load on the machine does not change it.
      cpuMs: {
        route: spread(routingMs.map(({ cpuMs }) => cpuMs)).median,
        placement: spread(placementMs.map(({ cpuMs }) => cpuMs)).median,
        placementFromNothing: spread([fromNothing.cpuMs]).median,
      },
      peersMoved: spread(moved),
      hops: spread(laps),
    }),
  );
}

function asRoutePeer({ peer, layerMs }: PlacementPeer, all: readonly PlacementPeer[], random: Random): RoutePeer {
  const someone = (): PeerId => all[Math.floor(random() * all.length)]?.peer ?? peer;
  return {
    peer,
    serving: [],
    sessions: Math.floor(4 * random() ** 3),
    layerMs,
    rttMs: random() < 0.1 ? { value: 5 + 300 * random(), ageMs: 120_000 * random() } : undefined,
    neighbours: Array.from({ length: DEFAULTS.neighbours }, () => ({ peer: someone(), rttMs: 5 + 300 * random() })),
  };
}

/**
 * Draws small swarms; returns for how many the route is the best of all, or there is rightly none, and how many have a
 * route.
 */
function small(cases: number, random: Random): { readonly optimal: number; readonly routed: number } {
  const pieces: readonly Span[] = ["0-3", "3-6", "0-2", "2-3", "0-6", "3-5", "5-6", "2-6"].map((piece) => {
    const [start = 0, end = 0] = piece.split("-").map(Number);
    return { start, end };
  });
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const maybe = <T>(value: T): T | undefined => (random() < 0.6 ? value : undefined);
  let [optimal, routed] = [0, 0];
  for (let done = 0; done < cases; done++) {
    const names = Array.from({ length: 1 + Math.floor(9 * random()) }, (_, index) => asPeerId(`peer-${index}`));
    const peers = names.map((peer): RoutePeer => ({
      peer,
      serving: [pick(pieces), maybe(pick(pieces))].flatMap((span) => span ?? []),
      sessions: Math.floor(3 * random()),
      layerMs: maybe(40 * random()),
      layerMsAgeMs: 600_000 * random(),
      rttMs: maybe({ value: 300 * random(), ageMs: 200_000 * random() }),
      neighbours: Array.from({ length: Math.floor(4 * random()) }, () => ({ peer: pick(names) ?? peer, rttMs: 400 * random() })),
      freeCacheBytes: maybe(Math.floor(8 * random())),
      determinismClass: maybe(random() < 0.5 ? "x" : "y"),
    }));
    const gap = random() < 0.3;
    const needs: RouteNeeds = {
      layers: gap ? { start: 3, end: 6 } : undefined,
      from: gap ? pick(names) : undefined,
      determinismClass: maybe("x"),
      cache: { positions: 1, bytesPerLayer: [1, 1, 1, 1, 1, 1] },
    };
    const best = Math.min(
      Number.POSITIVE_INFINITY,
      ...everyRoute(peers, needs.layers ?? { start: 0, end: 6 }).map((route) => routeMs(route, peers, needs)),
    );
    const route = planRoute(peers, 6, new Set(), needs);
    if (route) routed++;
    // Sums of the same numbers in another order may differ in their last bits.
    if (route ? Math.abs(routeMs(route, peers, needs) - best) <= 1e-12 * best : best === Number.POSITIVE_INFINITY) optimal++;
  }
  return { optimal, routed };
}

interface Timing {
  readonly ms: number;
  readonly cpuMs: number;
}

function timed(work: () => unknown): Timing {
  const [cpu, started] = [process.threadCpuUsage(), performance.now()];
  work();
  const ms = performance.now() - started;
  const { user, system } = process.threadCpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000 };
}

/** Mulberry32 by Tommy Ettinger: small and seeded, so that every run has the same swarms. */
function mulberry(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
