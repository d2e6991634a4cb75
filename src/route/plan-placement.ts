// Who should hold which layers. Pure: every peer plans for all from the same swarm and applies its own entry.
import { type PeerId, type Span, spanLength } from "../shared/ids.ts";
import { findGaps, isCovered, isValidSpan } from "./coverage.ts";

export interface PlacementPeer {
  readonly peer: PeerId;
  /** Order of joining as the relay counts it; breaks every tie. */
  readonly joined: number;
  /** What the peer holds or is about to hold; undefined while it has not chosen. */
  readonly span: Span | undefined;
}

interface Holding {
  readonly peer: PlacementPeer;
  span: Span;
}

/**
 * A span for every peer, moving as little as possible: peers keep what they hold, gaps go to spare peers and then to
 * a neighbour, and each spare peer takes the upper half of the longest span. Once every span is one layer long,
 * spare peers become replicas of the layers with the fewest.
 *
 * With up to `layerCount` peers the spans are disjoint and cover `[0, layerCount)`. A fixed point: planning again from
 * the planned spans gives the same spans.
 */
export function planPlacement(peers: readonly PlacementPeer[], layerCount: number): ReadonlyMap<PeerId, Span> {
  const { holdings, spares } = claim(peers, layerCount);
  fillGaps(holdings, spares, layerCount);
  const plan = new Map<PeerId, Span>();
  for (const spare of spares) {
    const longest = longestHolding(holdings);
    if (longest && spanLength(longest.span) > 1) {
      const middle = longest.span.start + Math.ceil(spanLength(longest.span) / 2);
      holdings.push({ peer: spare, span: { start: middle, end: longest.span.end } });
      longest.span = { start: longest.span.start, end: middle };
    } else {
      plan.set(spare.peer, fewestReplicas(holdings, [...plan.values()]));
    }
  }
  for (const { peer, span } of holdings) plan.set(peer.peer, span);
  return plan;
}

/**
 * Whether a peer may stop serving `current` for `target` without breaking coverage: every layer that it would drop is
 * served by somebody else now.
 */
export function mayRelease(current: Span, target: Span, servedByOthers: readonly Span[]): boolean {
  return isCovered(current, [target, ...servedByOthers]);
}

/** Shorter spans claim first, so that whoever took half of a long one keeps it and the long one is trimmed. */
function claim(peers: readonly PlacementPeer[], layerCount: number): { holdings: Holding[]; spares: PlacementPeer[] } {
  const holdings: Holding[] = [];
  const spares: PlacementPeer[] = [];
  const byJoining = peers.toSorted((a, b) => a.joined - b.joined);
  const placed = byJoining.flatMap((peer) => (peer.span && isValidSpan(peer.span, layerCount) ? [{ peer, span: peer.span }] : []));
  for (const { peer, span } of placed.toSorted((a, b) => spanLength(a.span) - spanLength(b.span))) {
    const free = findGaps(
      holdings.map((holding) => holding.span),
      layerCount,
    )
      .map((gap) => ({ start: Math.max(gap.start, span.start), end: Math.min(gap.end, span.end) }))
      .filter((piece) => piece.start < piece.end)
      .toSorted((a, b) => spanLength(b) - spanLength(a) || a.start - b.start);
    if (free[0]) holdings.push({ peer, span: free[0] });
  }
  for (const peer of byJoining) if (!holdings.some((holding) => holding.peer === peer)) spares.push(peer);
  return { holdings, spares };
}

/** Gaps go to spare peers, longest first; what is left to the neighbour that holds least. Takes used spares out. */
function fillGaps(holdings: Holding[], spares: PlacementPeer[], layerCount: number): void {
  const gaps = findGaps(
    holdings.map((holding) => holding.span),
    layerCount,
  ).toSorted((a, b) => spanLength(b) - spanLength(a) || a.start - b.start);
  for (const gap of gaps) {
    const spare = spares.shift();
    if (spare) {
      holdings.push({ peer: spare, span: gap });
      continue;
    }
    const neighbour = holdings
      .filter(({ span }) => span.end === gap.start || span.start === gap.end)
      .toSorted((a, b) => spanLength(a.span) - spanLength(b.span) || a.peer.joined - b.peer.joined)[0];
    if (neighbour) neighbour.span = { start: Math.min(neighbour.span.start, gap.start), end: Math.max(neighbour.span.end, gap.end) };
  }
}

function longestHolding(holdings: readonly Holding[]): Holding | undefined {
  return holdings.toSorted((a, b) => spanLength(b.span) - spanLength(a.span) || a.span.start - b.span.start)[0];
}

function fewestReplicas(holdings: readonly Holding[], replicas: readonly Span[]): Span {
  const count = (span: Span): number => replicas.filter((replica) => replica.start === span.start).length;
  const lightest = holdings.toSorted((a, b) => count(a.span) - count(b.span) || a.span.start - b.span.start)[0];
  return lightest?.span ?? { start: 0, end: 1 };
}
