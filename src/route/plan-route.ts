// Which peers answer a prompt: spans that cover all layers in order, with the shortest lap. Pure.
import type { PeerId, Span } from "../shared/ids.ts";
import { isValidSpan } from "./coverage.ts";
import { fresher, LinkTimes } from "./link-times.ts";
import { COST, oneWayMs, type RouteNeeds, type RoutePeer, spanMs } from "./route-cost.ts";

export interface Hop {
  readonly peer: PeerId;
  readonly span: Span;
}

/**
 * Hops in order: the first starts at layer 0, each next one where the one before ends,
 * and the last ends at the last layer.
 */
export type Route = readonly Hop[];

/** A span that some peer serves, and the best way to the end of it. */
interface Candidate {
  readonly hop: Hop;
  /** The peer's number in the link times. */
  readonly number: number;
  readonly ownMs: number;
  readonly toRequesterMs: number;
  /** Milliseconds from the requester, or the upstream peer, to the end of this span. */
  costMs: number;
  hops: number;
  before: Candidate | undefined;
}

/**
 * The spans that end at a layer, best first, in two orders: by their cost, and by their
 * cost with the way to the requester added.
 */
interface Ends {
  readonly byCost: readonly Candidate[];
  readonly byDetour: readonly Candidate[];
  /** By the peer's number: for pairs whose way was measured. */
  readonly byPeer: ReadonlyMap<number, readonly Candidate[]>;
}

/**
 * The route with the shortest lap. A lap is, for each span, the way to it and its
 * compute, in which open sessions count as a queue, and at last the way back. If ways are
 * long or unknown, that means few hops. Undefined if the peers do not cover all layers.
 *
 * Exact in O(spans × log spans + measured pairs). Only the measured pairs of peers
 * are looked at one by one. Between all others, the way is a constant or a sum of
 * two ends, so one order of the spans before a layer serves all spans after it.
 */
export function planRoute(
  peers: readonly RoutePeer[],
  layerCount: number,
  exclude: ReadonlySet<PeerId> = new Set(),
  needs: RouteNeeds = {},
): Route | undefined {
  const { start, end } = needs.layers ?? { start: 0, end: layerCount };
  const links = new LinkTimes(peers, [needs.from, needs.to]);
  const starting = new Map<number, Candidate[]>();
  for (const peer of peers) {
    if (exclude.has(peer.peer)) continue;
    const number = links.numberOf(peer.peer) ?? 0;
    for (const span of peer.serving) {
      if (!isValidSpan(span, layerCount) || span.start < start || span.end > end) continue;
      const candidate: Candidate = {
        hop: { peer: peer.peer, span },
        number,
        ownMs: spanMs(peer, span, needs),
        toRequesterMs: links.requesterMs(number),
        costMs: Number.POSITIVE_INFINITY,
        hops: 0,
        before: undefined,
      };
      const others = starting.get(span.start);
      if (others) others.push(candidate);
      else starting.set(span.start, [candidate]);
    }
  }
  const ending = new Map<number, Candidate[]>();
  for (let layer = start; layer < end; layer++) {
    const candidates = starting.get(layer) ?? [];
    const ends = layer === start ? undefined : order(ending.get(layer) ?? []);
    for (const candidate of candidates) {
      if (ends) reach(candidate, ends, links);
      else settle(candidate, undefined, links.ms(needs.from, candidate.hop.peer), 0);
      if (candidate.costMs === Number.POSITIVE_INFINITY) continue;
      const others = ending.get(candidate.hop.span.end);
      if (others) others.push(candidate);
      else ending.set(candidate.hop.span.end, [candidate]);
    }
  }
  let best: Candidate | undefined;
  let bestMs = 0;
  for (const candidate of ending.get(end) ?? []) {
    const ms = candidate.costMs + links.ms(candidate.hop.peer, needs.to);
    if (!best || ms < bestMs || (ms === bestMs && isBefore(candidate, best))) [best, bestMs] = [candidate, ms];
  }
  const route: Hop[] = [];
  for (let candidate = best; candidate; candidate = candidate.before) route.unshift(candidate.hop);
  return route.length > 0 ? Object.freeze(route) : undefined;
}

/**
 * Milliseconds of a lap over `route`, as planRoute counts them. Throws a RangeError if a
 * hop's peer is not among `peers`.
 */
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

function order(candidates: readonly Candidate[]): Ends {
  const byPeer = new Map<number, Candidate[]>();
  for (const candidate of candidates) {
    const others = byPeer.get(candidate.number);
    if (others) others.push(candidate);
    else byPeer.set(candidate.number, [candidate]);
  }
  const detour = (candidate: Candidate): number => candidate.costMs + candidate.toRequesterMs;
  return {
    byPeer,
    byCost: candidates.toSorted((a, b) => a.costMs - b.costMs || (isBefore(a, b) ? -1 : 1)),
    byDetour: candidates.toSorted((a, b) => detour(a) - detour(b) || (isBefore(a, b) ? -1 : 1)),
  };
}

/** Finds the best way to `candidate` from the spans that end where it starts. */
function reach(candidate: Candidate, ends: Ends, links: LinkTimes): void {
  const known = new Map<number, { readonly rttMs: number; readonly ageMs: number }>();
  links.known(candidate.number, (other, rttMs, ageMs) => {
    if (ends.byPeer.has(other)) known.set(other, fresher(known.get(other), { rttMs, ageMs }));
  });
  const isStranger = (other: Candidate): boolean => other.number !== candidate.number && !known.has(other.number);
  const stranger = ends.byCost.find(isStranger);
  if (stranger) settle(candidate, stranger, COST.unknownRttMs / 2, stranger.hops);
  const near = ends.byDetour.find(isStranger);
  if (near) settle(candidate, near, near.toRequesterMs + candidate.toRequesterMs, near.hops);
  for (const same of ends.byPeer.get(candidate.number) ?? []) settle(candidate, same, 0, same.hops);
  for (const [other, { rttMs, ageMs }] of known)
    for (const before of ends.byPeer.get(other) ?? []) settle(candidate, before, oneWayMs(rttMs, ageMs), before.hops);
}

/** Makes `before` the way to the candidate if that is better than the known way. */
function settle(candidate: Candidate, before: Candidate | undefined, wayMs: number, hopsBefore: number): void {
  const costMs = (before?.costMs ?? 0) + wayMs + candidate.ownMs;
  const hops = hopsBefore + 1;
  if (
    costMs < candidate.costMs ||
    (costMs === candidate.costMs &&
      (hops < candidate.hops || (hops === candidate.hops && before && candidate.before && isBefore(before, candidate.before))))
  ) {
    candidate.costMs = costMs;
    candidate.hops = hops;
    candidate.before = before;
  }
}

/**
 * Order among equals: fewer hops first, then the name that sorts first.
 * The same swarm then always gives the same route.
 */
function isBefore(a: Candidate, b: Candidate): boolean {
  return a.hops === b.hops ? a.hop.peer < b.hop.peer : a.hops < b.hops;
}
