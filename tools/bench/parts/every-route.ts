// Every route that a small swarm has: what a planner's choice is held against.
import type { Route } from "../../../src/route/plan-route.ts";
import type { RoutePeer } from "../../../src/route/route-cost.ts";
import type { PeerId, Span } from "../../../src/shared/ids.ts";

/** All chains of served spans from `start` to `end`, without the excluded peers: as many as there are, so keep the swarm small. */
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
