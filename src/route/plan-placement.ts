// Which peer should hold which layers. Pure: every peer plans for all peers from the same
// swarm, and applies its own entry.
import { type PeerId, sameSpan, type Span, spanLength } from "../shared/ids.ts";
import { findGaps, isCovered, isRouted, isValidSpan } from "./coverage.ts";
import { type Holding, LayerRates, type PlacementModel, type PlacementPeer, workOf } from "./layer-rates.ts";
import { moveReplicas, shiftCuts } from "./rebalance.ts";
import { choosePipelines, shareLayers } from "./share-layers.ts";

const DEFAULTS = Object.freeze({
  /** The most plans that are made from one another until they stay the same. */
  rounds: 8,
  /**
   * Two halves of equal length stay equal while the slower one has at most this many times the work of the best cut.
   */
  uneven: 1.05,
});

/**
 * A span for every peer. As little as possible moves: peers keep what they hold; gaps go to spare peers, then to
 * neighbours with room. A spare peer that has not said what it can hold takes the upper half of a span: of the spans of
 * peers that have not said it either, the one with the most work. A spare peer that has said it becomes a replica where
 * the slowest layer is, as long as it can hold, since halving a span adds a hop and no pipeline. Then replicas move to
 * slower layers and cuts shift, if that gains a fifth.
 *
 * There is a route through all layers whenever the peers have the room. A peer with room for nothing has no entry. The
 * plan is a fixed point: planning again from the planned spans gives the same spans.
 */
export function planPlacement(peers: readonly PlacementPeer[], model: PlacementModel): ReadonlyMap<PeerId, Span> {
  let entries = peers
    .filter(({ maxLayers }) => maxLayers !== 0)
    // Measured speed moves layers only to peers that said how many they can hold.
    .map((peer) => (peer.maxLayers === undefined ? { ...peer, layerMs: undefined } : peer))
    .toSorted((a, b) => a.joined - b.joined);
  for (let round = 0; ; round++) {
    const holdings = planOnce(entries, model);
    const plan = new Map(holdings.map(({ peer, span }) => [peer.peer, span]));
    const next = entries.map((entry) => ({ ...entry, span: plan.get(entry.peer) }));
    if (round === DEFAULTS.rounds || next.every(({ span }, index) => isSame(span, entries[index]?.span))) return plan;
    entries = next;
  }
}

/**
 * Whether a peer may stop serving `current` for `target` without breaking coverage: other
 * peers serve every layer that it would drop.
 */
export function mayRelease(current: Span, target: Span, servedByOthers: readonly Span[]): boolean {
  return isCovered(current, [target, ...servedByOthers]);
}

const isSame = (a: Span | undefined, b: Span | undefined): boolean => a === b || (a !== undefined && b !== undefined && sameSpan(a, b));
const roomOf = ({ maxLayers }: PlacementPeer): number => maxLayers ?? Number.POSITIVE_INFINITY;

function planOnce(peers: readonly PlacementPeer[], model: PlacementModel): readonly Holding[] {
  const { layerCount } = model;
  let { holdings, spares } = claim(peers, layerCount);
  fillGaps(holdings, spares, model);
  const spans = holdings.map(({ span }) => span);
  if (!isRouted(spans, layerCount)) {
    const { groups } = choosePipelines(peers, layerCount);
    const first = (groups[0] ?? []).toSorted(
      (a, b) => (a.span?.start ?? layerCount) - (b.span?.start ?? layerCount) || a.joined - b.joined,
    );
    const shares = shareLayers(first, model);
    if (shares && first.length > 0) {
      let start = 0;
      holdings = first.map((peer, index) => ({ peer, span: { start, end: (start += shares[index] ?? 0) } }));
      const inFirst = new Set(first);
      spares = peers.filter((peer) => !inFirst.has(peer));
    }
  }
  placeSpares(holdings, spares, model);
  moveReplicas(holdings, model);
  shiftCuts(holdings, model);
  return holdings;
}

/**
 * Peers that said how much they can hold keep what they hold. Of the others, shorter spans claim first: a peer that
 * took half of a long span keeps it, and the long one is trimmed.
 */
function claim(peers: readonly PlacementPeer[], layerCount: number): { holdings: Holding[]; spares: PlacementPeer[] } {
  const holdings: Holding[] = [];
  const placed = peers.flatMap((peer) => (peer.span && isValidSpan(peer.span, layerCount) ? [{ peer, span: peer.span }] : []));
  for (const { peer, span } of placed) {
    if (peer.maxLayers === undefined) continue;
    holdings.push({ peer, span: { start: span.start, end: Math.min(span.end, span.start + peer.maxLayers) } });
  }
  const taken = Array.from({ length: layerCount }, () => false);
  for (const { peer, span } of placed.toSorted((a, b) => spanLength(a.span) - spanLength(b.span))) {
    if (peer.maxLayers !== undefined) continue;
    const free = longestFree(span, taken);
    if (!free) continue;
    holdings.push({ peer, span: free });
    taken.fill(true, free.start, free.end);
  }
  const holding = new Set(holdings.map(({ peer }) => peer));
  return { holdings, spares: peers.filter((peer) => !holding.has(peer)) };
}

function longestFree(span: Span, taken: readonly boolean[]): Span | undefined {
  let free: Span | undefined;
  for (let start = span.start; start < span.end; start++) {
    let end = start;
    while (end < span.end && !taken[end]) end++;
    if (end - start > (free ? spanLength(free) : 0)) free = { start, end };
    start = Math.max(start, end);
  }
  return free;
}

/**
 * Gaps, longest first, go to the spare peer with the most room; then to the neighbour with the least work; then to a
 * peer whose layers all have another holder. Removes the spares that it uses. Leaves gaps if nobody has room.
 */
function fillGaps(holdings: Holding[], spares: PlacementPeer[], model: PlacementModel): void {
  for (;;) {
    const gaps = findGaps(
      holdings.map((holding) => holding.span),
      model.layerCount,
    ).toSorted((a, b) => spanLength(b) - spanLength(a) || a.start - b.start);
    if (!gaps.some((gap) => fillGap(gap, holdings, spares, model))) return;
  }
}

function fillGap(gap: Span, holdings: Holding[], spares: PlacementPeer[], model: PlacementModel): boolean {
  const spare = spares.toSorted((a, b) => (roomOf(a) === roomOf(b) ? 0 : roomOf(b) - roomOf(a)))[0];
  if (spare) {
    spares.splice(spares.indexOf(spare), 1);
    holdings.push({ peer: spare, span: { start: gap.start, end: Math.min(gap.end, gap.start + roomOf(spare)) } });
    return true;
  }
  const neighbour = holdings
    .filter(({ peer, span }) => (span.end === gap.start || span.start === gap.end) && spanLength(span) < roomOf(peer))
    .toSorted((a, b) => workOf(model, a.span) - workOf(model, b.span) || a.peer.joined - b.peer.joined)[0];
  if (neighbour) {
    const { start, end } = neighbour.span;
    const more = Math.min(spanLength(gap), roomOf(neighbour.peer) - spanLength(neighbour.span));
    neighbour.span = end === gap.start ? { start, end: end + more } : { start: start - more, end };
    return true;
  }
  const { holders } = new LayerRates(model, holdings);
  const spared = holdings
    .filter(({ span }) => holders.slice(span.start, span.end).every((count) => count > 1))
    .toSorted((a, b) => b.peer.joined - a.peer.joined)[0];
  if (!spared) return false;
  spared.span = { start: gap.start, end: Math.min(gap.end, gap.start + roomOf(spared.peer)) };
  return true;
}

function placeSpares(holdings: Holding[], spares: readonly PlacementPeer[], model: PlacementModel): void {
  const left: PlacementPeer[] = [];
  for (const spare of spares) {
    const heaviest = spare.maxLayers === undefined ? heaviestHalvable(holdings, model) : undefined;
    if (!heaviest) {
      left.push(spare);
      continue;
    }
    const cut = halve(heaviest.span, model);
    holdings.push({ peer: spare, span: { start: cut, end: heaviest.span.end } });
    heaviest.span = { start: heaviest.span.start, end: cut };
  }
  const rates = new LayerRates(model, holdings);
  const homeless: PlacementPeer[] = [];
  const place = (peer: PlacementPeer, span: Span): void => {
    const holding = { peer, span };
    holdings.push(holding);
    rates.add(holding);
  };
  for (const peer of left) {
    const { span } = peer;
    if (span && isValidSpan(span, model.layerCount) && spanLength(span) <= roomOf(peer) && rates.isCut(span.start) && rates.isCut(span.end))
      place(peer, span);
    else homeless.push(peer);
  }
  for (const peer of homeless) place(peer, rates.window(peer.maxLayers));
}

function heaviestHalvable(holdings: readonly Holding[], model: PlacementModel): Holding | undefined {
  let heaviest: Holding | undefined;
  for (const holding of holdings) {
    if (holding.peer.maxLayers !== undefined || spanLength(holding.span) < 2) continue;
    const more = heaviest ? workOf(model, holding.span) - workOf(model, heaviest.span) : 1;
    if (more > 0 || (more === 0 && heaviest && holding.span.start < heaviest.span.start)) heaviest = holding;
  }
  return heaviest;
}

/**
 * The cut whose slower half has least work; the middle if that is nearly as good, since
 * halves of equal length need the same memory.
 */
function halve({ start, end }: Span, model: PlacementModel): number {
  const slower = (cut: number): number => Math.max(workOf(model, { start, end: cut }), workOf(model, { start: cut, end }));
  const middle = start + Math.ceil((end - start) / 2);
  let best = middle;
  for (let cut = start + 1; cut < end; cut++) if (slower(cut) < slower(best)) best = cut;
  return slower(middle) <= DEFAULTS.uneven * slower(best) ? middle : best;
}
