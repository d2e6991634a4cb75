// Moves that are worth their download: replicas to lighter layers, and cuts to where stages take equally long. Pure.
import { spanLength } from "../shared/ids.ts";
import { type Holding, LayerRates, type PlacementModel } from "./layer-rates.ts";
import { bottleneckMs, shareLayers } from "./share-layers.ts";

const DEFAULTS = Object.freeze({
  /** How many times better a place must be: a move costs a download, and measurements wander by a tenth. */
  gain: 1.2,
  /** Milliseconds a token that shifting cuts must save: less is lost among wake-ups and hops. */
  gainMs: 5,
  /** Replicas that move in one plan. */
  moves: 64,
});

/**
 * Moves replicas from heavy layers to the lightest, the latest comers first. Only a peer whose very span another peer
 * holds moves, so that every route that there was is still there.
 */
export function moveReplicas(holdings: readonly Holding[], model: PlacementModel): void {
  const weights = new LayerRates(model, holdings);
  for (let moves = 0; moves < DEFAULTS.moves; moves++) {
    let best: { readonly holding: Holding; readonly to: Holding["span"]; readonly gain: number } | undefined;
    for (const holding of replicas(holdings)) {
      weights.remove(holding);
      const to = weights.window(holding.peer.maxLayers);
      const here = weights.lightest(holding.span) + weights.of(holding.peer, holding.span);
      const there = weights.lightest(to);
      const after = Math.min(weights.lightest(holding.span), there + weights.of(holding.peer, to));
      weights.add(holding);
      const gain = there === 0 ? Number.POSITIVE_INFINITY : after / there;
      if (here > there && gain > DEFAULTS.gain && gain > (best?.gain ?? 0)) best = { holding, to, gain };
    }
    if (!best) return;
    weights.remove(best.holding);
    best.holding.span = best.to;
    weights.add(best.holding);
  }
}

/** Of each span that several hold: the holder who came last. */
function replicas(holdings: readonly Holding[]): readonly Holding[] {
  const bySpan = new Map<string, { count: number; last: Holding }>();
  for (const holding of holdings) {
    const { start, end } = holding.span;
    // What limits where a peer can go and what it gives there sets it apart from others of its span.
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
 * Shifts the cuts of a single pipeline so that work is in proportion to measured speed, where the slowest stage gets
 * quicker by enough. With replicas cuts stay: all pipelines share them, so that any peer can stand in for its like.
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
