// Which peers answer a prompt: spans that cover all layers in order, by the shortest lap there is. Pure.
import type { PeerId, Span } from "../shared/ids.ts";
import { isValidSpan } from "./coverage.ts";
import { fresher, LinkTimes } from "./link-times.ts";
import { COST, oneWayMs, type RouteNeeds, type RoutePeer, spanMs } from "./route-cost.ts";

export interface Hop {
  readonly peer: PeerId;
  readonly span: Span;
}

/** Hops in order: the first starts at layer 0, each next where the one before ends, the last ends at the last layer. */
export type Route = readonly Hop[];

/** A span that some peer serves, and the best way to the end of it. */
interface Node {
  readonly hop: Hop;
  /** Of its peer, in the link times. */
  readonly number: number;
  readonly ownMs: number;
  readonly toRequesterMs: number;
  /** From the requester, or the upstream peer, to the end of this span. */
  costMs: number;
  hops: number;
  before: Node | undefined;
}

/** The spans that end at a layer, best first, in two orders: as they are, and with the way to the requester added. */
interface Ends {
  readonly byCost: readonly Node[];
  readonly byDetour: readonly Node[];
  /** By the peer's number, for pairs whose way was measured. */
  readonly byPeer: ReadonlyMap<number, readonly Node[]>;
}

/**
 * The route of the shortest lap: for each span the way to it and its compute, where open sessions count as a queue, and
 * at last the way back. Fewest hops where ways are long or unknown. Undefined where the peers do not cover all layers.
 *
 * Exact in O(spans × log spans + measured pairs): of all pairs of peers only the measured ones are looked at one by one;
 * between others the way is a constant or a sum of two ends, so that one order of the spans before serves all after.
 */
export function planRoute(
  peers: readonly RoutePeer[],
  layerCount: number,
  exclude: ReadonlySet<PeerId> = new Set(),
  needs: RouteNeeds = {},
): Route | undefined {
  const { start, end } = needs.layers ?? { start: 0, end: layerCount };
  const links = new LinkTimes(peers, [needs.from, needs.to]);
  const starting = new Map<number, Node[]>();
  for (const peer of peers) {
    if (exclude.has(peer.peer)) continue;
    const number = links.numberOf(peer.peer) ?? 0;
    for (const span of peer.serving) {
      if (!isValidSpan(span, layerCount) || span.start < start || span.end > end) continue;
      const node: Node = {
        hop: { peer: peer.peer, span },
        number,
        ownMs: spanMs(peer, span, needs),
        toRequesterMs: links.requesterMs(number),
        costMs: Number.POSITIVE_INFINITY,
        hops: 0,
        before: undefined,
      };
      const others = starting.get(span.start);
      if (others) others.push(node);
      else starting.set(span.start, [node]);
    }
  }
  const ending = new Map<number, Node[]>();
  for (let layer = start; layer < end; layer++) {
    const nodes = starting.get(layer) ?? [];
    const ends = layer === start ? undefined : order(ending.get(layer) ?? []);
    for (const node of nodes) {
      if (ends) reach(node, ends, links);
      else settle(node, undefined, links.ms(needs.from, node.hop.peer), 0);
      if (node.costMs === Number.POSITIVE_INFINITY) continue;
      const others = ending.get(node.hop.span.end);
      if (others) others.push(node);
      else ending.set(node.hop.span.end, [node]);
    }
  }
  let best: Node | undefined;
  let bestMs = 0;
  for (const node of ending.get(end) ?? []) {
    const ms = node.costMs + links.ms(node.hop.peer, needs.to);
    if (!best || ms < bestMs || (ms === bestMs && isBefore(node, best))) [best, bestMs] = [node, ms];
  }
  const route: Hop[] = [];
  for (let node = best; node; node = node.before) route.unshift(node.hop);
  return route.length > 0 ? Object.freeze(route) : undefined;
}

/** Milliseconds of a lap over `route`, as planRoute weighs it. Throws where a hop's peer is not among `peers`. */
export function routeMs(route: Route, peers: readonly RoutePeer[], needs: RouteNeeds = {}): number {
  const links = new LinkTimes(peers, [needs.from, needs.to]);
  let at = needs.from;
  let ms = 0;
  for (const { peer, span } of route) {
    const entry = peers.find((other) => other.peer === peer);
    if (!entry) throw new RangeError(`${peer} is not in the swarm`);
    ms += links.ms(at, peer) + spanMs(entry, span, needs);
    at = peer;
  }
  return ms + links.ms(at, needs.to);
}

function order(nodes: readonly Node[]): Ends {
  const byPeer = new Map<number, Node[]>();
  for (const node of nodes) {
    const others = byPeer.get(node.number);
    if (others) others.push(node);
    else byPeer.set(node.number, [node]);
  }
  const detour = (node: Node): number => node.costMs + node.toRequesterMs;
  return {
    byPeer,
    byCost: nodes.toSorted((a, b) => a.costMs - b.costMs || (isBefore(a, b) ? -1 : 1)),
    byDetour: nodes.toSorted((a, b) => detour(a) - detour(b) || (isBefore(a, b) ? -1 : 1)),
  };
}

/** Finds the best way to `node` from the spans that end where it starts. */
function reach(node: Node, ends: Ends, links: LinkTimes): void {
  const known = new Map<number, { readonly rttMs: number; readonly ageMs: number }>();
  links.known(node.number, (other, rttMs, ageMs) => {
    if (ends.byPeer.has(other)) known.set(other, fresher(known.get(other), { rttMs, ageMs }));
  });
  const isStranger = (other: Node): boolean => other.number !== node.number && !known.has(other.number);
  const stranger = ends.byCost.find(isStranger);
  if (stranger) settle(node, stranger, COST.unknownRttMs / 2, stranger.hops);
  const near = ends.byDetour.find(isStranger);
  if (near) settle(node, near, near.toRequesterMs + node.toRequesterMs, near.hops);
  for (const same of ends.byPeer.get(node.number) ?? []) settle(node, same, 0, same.hops);
  for (const [other, { rttMs, ageMs }] of known)
    for (const before of ends.byPeer.get(other) ?? []) settle(node, before, oneWayMs(rttMs, ageMs), before.hops);
}

/** Takes the way over `before` where it is better than the one known. */
function settle(node: Node, before: Node | undefined, wayMs: number, hopsBefore: number): void {
  const costMs = (before?.costMs ?? 0) + wayMs + node.ownMs;
  const hops = hopsBefore + 1;
  if (
    costMs < node.costMs ||
    (costMs === node.costMs && (hops < node.hops || (hops === node.hops && before && node.before && isBefore(before, node.before))))
  ) {
    node.costMs = costMs;
    node.hops = hops;
    node.before = before;
  }
}

/** Among equals: fewer hops, then the name that sorts first, so that the same swarm always gives the same route. */
function isBefore(a: Node, b: Node): boolean {
  return a.hops === b.hops ? a.hop.peer < b.hop.peer : a.hops < b.hops;
}
