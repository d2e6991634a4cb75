// Plans which spans take the place of those that a running answer has lost: survivors stay, with their caches, if
// possible. Pure.
import { type Hop, planRoute, type Route } from "../../route/plan-route.ts";
import type { RoutePeer } from "../../route/route-cost.ts";
import { type PeerId, sameSpan, type Span, spanLength } from "../../shared/ids.ts";

/** The rest of a route, and the peers that may not be asked. */
export interface DetourRequest {
  /** Hops that live and hold the session, in order. */
  readonly kept: readonly Hop[];
  /** Those of them that leave soon: used only if nobody else can be. */
  readonly leaving: readonly Hop[];
  /** Peers that are not to be asked now; changes with time. */
  readonly exclude: () => ReadonlySet<PeerId>;
  /** Those of them that only fell silent: one that is heard of again may be asked. */
  readonly silent: () => ReadonlySet<PeerId>;
}

const COST = Object.freeze({
  /**
   * A survivor computes nothing again, so it costs next to nothing; of two ways over survivors the shorter one wins.
   */
  kept: 1,
  /** A new hop computes all positions again, for each of its layers, and a person waits for that. */
  addedLayer: 1_000,
  /** Of two ways with equally many new layers, the one over fewer new hops wins, whatever the survivors. */
  addedHop: 200,
  /** A hop that leaves soon costs more than any number of new ones, and is better than none. */
  leaving: 10_000_000,
});

/**
 * Returns a whole route over the survivors and new hops: the fewest new layers, then the fewest new hops, and for each
 * span the peer that `planRoute` would choose. Returns undefined if a gap remains even when every survivor is given up.
 */
export function planDetour(
  peers: readonly RoutePeer[],
  layerCount: number,
  { kept, leaving, exclude }: Omit<DetourRequest, "silent">,
): Route | undefined {
  const excluded = exclude();
  const isKept = (hop: Hop): boolean => kept.some((other) => sameHop(other, hop));
  const added = fillers(peers, excluded).filter((hop) => !isKept(hop));
  const candidates = [
    ...kept.map((hop) => ({ hop, cost: leaving.some((other) => sameHop(other, hop)) ? COST.leaving : COST.kept })),
    ...added.map((hop) => ({ hop, cost: COST.addedHop + COST.addedLayer * spanLength(hop.span) })),
  ];
  const best: ({ readonly cost: number; readonly hop: Hop | undefined } | undefined)[] = [];
  best[layerCount] = { cost: 0, hop: undefined };
  for (let layer = layerCount - 1; layer >= 0; layer--) {
    for (const { hop, cost } of candidates) {
      const rest = hop.span.start === layer ? best[hop.span.end] : undefined;
      if (rest === undefined) continue;
      const total = cost + rest.cost;
      if (total < (best[layer]?.cost ?? Infinity)) best[layer] = { cost: total, hop };
    }
  }
  const route: Hop[] = [];
  for (let at = best[0]; at?.hop; at = best[at.hop.span.end]) route.push(at.hop);
  return route.length > 0 ? Object.freeze(route) : undefined;
}

/** For each span that somebody serves, the peer that `planRoute` would choose for it. */
function fillers(peers: readonly RoutePeer[], excluded: ReadonlySet<PeerId>): readonly Hop[] {
  const spans: Span[] = [];
  for (const span of peers.flatMap(({ serving }) => serving)) {
    if (span.start < span.end && !spans.some((other) => sameSpan(other, span))) spans.push(span);
  }
  return spans.flatMap((span) => {
    const own = { start: 0, end: span.end - span.start };
    const serving = peers
      .filter((peer) => peer.serving.some((other) => sameSpan(other, span)))
      .map((peer) => ({ ...peer, serving: [own] }));
    return (planRoute(serving, own.end, excluded) ?? []).map(({ peer }) => ({ peer, span }));
  });
}

/** Whether both are the same span at the same peer. */
export const sameHop = (a: Hop, b: Hop): boolean => a.peer === b.peer && sameSpan(a.span, b.span);
