// Enumerates every route of a small swarm, to compare the planner's choice with.
import type { Route } from "../../../src/route/plan-route.ts";
import type { RoutePeer } from "../../../src/route/route-cost.ts";
import type { PeerId, Span } from "../../../src/shared/ids.ts";

/**
 * Returns all sequences of served spans that cover `start` to `end`, without the excluded peers. Their number grows
 * exponentially, so keep the swarm small.
 */
export function everyRoute(peers: readonly RoutePeer[], { start, end }: Span, exclude: ReadonlySet<PeerId> = new Set()): readonly Route[] {
  const hops = peers.flatMap(({ peer, serving }) => (exclude.has(peer) ? [] : serving.map((span) => ({ peer, span }))));
  const from = (layer: number): readonly Route[] =>
    layer === end
      ? [[]]
      : hops
          .filter(({ span }) => span.start === layer && span.end > layer && span.end <= end)
          .flatMap((hop) => from(hop.span.end).map((rest) => [hop, ...rest]));
  return start < end ? from(start) : [];
}
