// Which peers answer a prompt: spans that cover all layers in order, over the fewest hops. Pure.
import { type PeerId, type Span, spanLength } from "../shared/ids.ts";
import { isValidSpan } from "./coverage.ts";

export interface RoutePeer {
  readonly peer: PeerId;
  readonly serving: readonly Span[];
  /** Sessions open at the peer now. */
  readonly sessions: number;
  /** Measured milliseconds per layer and decode step; undefined counts as slow. */
  readonly layerMs: number | undefined;
}

export interface Hop {
  readonly peer: PeerId;
  readonly span: Span;
}

/** Hops in order: the first starts at layer 0, each next where the one before ends, the last ends at the last layer. */
export type Route = readonly Hop[];

const COST = Object.freeze({
  /** Milliseconds a layer that a peer which has not measured itself is taken to need. */
  unknownLayerMs: 100,
});

interface Best {
  readonly hops: number;
  readonly costMs: number;
  readonly hop: Hop | undefined;
}

/**
 * The route with the fewest hops; among those the one with the least compute, where a peer's open sessions count as a
 * queue. Undefined where the peers do not cover all layers. O(layers × spans).
 */
export function planRoute(peers: readonly RoutePeer[], layerCount: number, exclude: ReadonlySet<PeerId> = new Set()): Route | undefined {
  const hops = peers
    .filter((peer) => !exclude.has(peer.peer))
    .toSorted((a, b) => (a.peer < b.peer ? -1 : 1))
    .flatMap((peer) =>
      peer.serving
        .filter((span) => isValidSpan(span, layerCount))
        .map((span) => ({ hop: { peer: peer.peer, span }, costMs: hopCostMs(peer, span) })),
    );
  /** By layer: the best way from there to the end. */
  const best: (Best | undefined)[] = [];
  best[layerCount] = { hops: 0, costMs: 0, hop: undefined };
  for (let layer = layerCount - 1; layer >= 0; layer--) {
    for (const { hop, costMs } of hops) {
      if (hop.span.start !== layer) continue;
      const rest = best[hop.span.end];
      if (!rest) continue;
      const candidate: Best = { hops: rest.hops + 1, costMs: rest.costMs + costMs, hop };
      const known = best[layer];
      if (!known || candidate.hops < known.hops || (candidate.hops === known.hops && candidate.costMs < known.costMs))
        best[layer] = candidate;
    }
  }
  const route: Hop[] = [];
  for (let at = best[0]; at?.hop; at = best[at.hop.span.end]) route.push(at.hop);
  return route.length > 0 ? Object.freeze(route) : undefined;
}

function hopCostMs(peer: RoutePeer, span: Span): number {
  return spanLength(span) * (peer.layerMs ?? COST.unknownLayerMs) * (1 + peer.sessions);
}
