// Moves that are worth their download: replicas to slower layers, and cuts so that all stages take equally long. Pure.
import { spanLength } from "../shared/ids.ts";
import { type Holding, LayerRates, type PlacementModel } from "./layer-rates.ts";
import { bottleneckMs, shareLayers } from "./share-layers.ts";

const DEFAULTS = Object.freeze({
  /** How many times better a place must be: a move costs a download, and measurements vary by a tenth. */
  gain: 1.2,
  /** Milliseconds a token that shifting the cuts must save: less is lost among wake-ups and hops. */
  gainMs: 5,
  /** The most replicas that move in one plan. */
  moves: 64,
});

/**
 * Moves replicas from fast layers to the slowest ones, the peers that joined last first. A peer moves only if another
 * peer holds exactly its span: then every route that there was is still there.
 */
export function moveReplicas(holdings: readonly Holding[], model: PlacementModel): void {
  const rates = new LayerRates(model, holdings);
  for (let moves = 0; moves < DEFAULTS.moves; moves++) {
    let best: { readonly holding: Holding; readonly to: Holding["span"]; readonly gain: number } | undefined;
    for (const holding of replicas(holdings)) {
      rates.remove(holding);
      const to = rates.window(holding.peer.maxLayers);
      const here = rates.lowest(holding.span) + rates.of(holding.peer, holding.span);
      const there = rates.lowest(to);
      const after = Math.min(rates.lowest(holding.span), there + rates.of(holding.peer, to));
      rates.add(holding);
      const gain = there === 0 ? Number.POSITIVE_INFINITY : after / there;
      if (here > there && gain > DEFAULTS.gain && gain > (best?.gain ?? 0)) best = { holding, to, gain };
    }
    if (!best) return;
    rates.remove(best.holding);
    best.holding.span = best.to;
    rates.add(best.holding);
  }
}

/** For each span with several holders: the holder that joined last. */
function replicas(holdings: readonly Holding[]): readonly Holding[] {
  const bySpan = new Map<string, { count: number; last: Holding }>();
  for (const holding of holdings) {
    const { start, end } = holding.span;
    const known = bySpan.get(`${start} ${end}`);
    if (!known) bySpan.set(`${start} ${end}`, { count: 1, last: holding });
    else {
      known.count++;
      if (holding.peer.joined > known.last.peer.joined) known.last = holding;
    }
  }
  return [...bySpan.values()].filter(({ count }) => count > 1).map(({ last }) => last);
}

/**
 * Shifts the cuts of a single pipeline so that work is in proportion to measured
 * speed, if the slowest stage becomes fast enough by it. If there are replicas, cuts
 * stay: all pipelines share them, so that peers of one span can replace each other.
 */
export function shiftCuts(holdings: readonly Holding[], model: PlacementModel): void {
  const inOrder = holdings.toSorted((a, b) => a.span.start - b.span.start);
  const lengths = inOrder.map(({ span }) => spanLength(span));
  if (lengths.reduce((sum, length) => sum + length, 0) !== model.layerCount) return;
  if (inOrder.some(({ span }, index) => span.start !== (inOrder[index - 1]?.span.end ?? 0))) return;
  const peers = inOrder.map(({ peer }) => peer);
  if (peers.some(({ layerMs }) => layerMs === undefined)) return;
  const shares = shareLayers(peers, model);
  if (!shares) return;
  const [nowMs, thenMs] = [bottleneckMs(peers, lengths, model), bottleneckMs(peers, shares, model)];
  if (nowMs <= DEFAULTS.gain * thenMs || nowMs - thenMs <= DEFAULTS.gainMs) return;
  let start = 0;
  for (const [index, holding] of inOrder.entries()) {
    const end = start + (shares[index] ?? 0);
    holding.span = { start, end };
    start = end;
  }
}
