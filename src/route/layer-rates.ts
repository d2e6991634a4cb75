// How many tokens a second each layer of a planned swarm can give, and in which window of
// layers another peer helps most. Pure.
import { type PeerId, type Span, spanLength } from "../shared/ids.ts";
import { COST } from "./route-cost.ts";

/** What placement has to know about a model. */
export interface PlacementModel {
  readonly layerCount: number;
  /** The head's work, in layers. It goes with the last layer. */
  readonly headLayers: number;
}

export interface PlacementPeer {
  readonly peer: PeerId;
  /** Order of joining as the relay counts it. It breaks every tie. */
  readonly joined: number;
  /** The span that the peer holds or is about to hold; undefined while it has not chosen. */
  readonly span: Span | undefined;
  /** The most layers that it can hold. Undefined if it has not said: then it gets as few as possible. */
  readonly maxLayers?: number | undefined;
  /** Measured milliseconds per decode step and layer, or per as much work of the head; undefined counts as slow. */
  readonly layerMs?: number | undefined;
}

export interface Holding {
  readonly peer: PlacementPeer;
  span: Span;
}

/** Milliseconds below which a layer's time is noise. */
const LEAST_LAYER_MS = 1e-3;

/** The work of a span, in layers. */
export function workOf({ layerCount, headLayers }: PlacementModel, span: Span): number {
  return spanLength(span) + (span.end === layerCount ? headLayers : 0);
}

/** The rate of each layer over a set of holdings, kept up to date as holdings come and go. */
export class LayerRates {
  /** By layer: the sum of the rates of its holders. */
  readonly rates: number[];
  /** By layer: number of holders. */
  readonly holders: number[];
  /** By boundary: number of spans that begin or end there. */
  readonly #cuts: number[];
  readonly #model: PlacementModel;

  constructor(model: PlacementModel, holdings: readonly Holding[]) {
    this.#model = model;
    const { layerCount } = model;
    this.rates = Array.from({ length: layerCount }, () => 0);
    this.holders = Array.from({ length: layerCount }, () => 0);
    this.#cuts = Array.from({ length: layerCount + 1 }, () => 0);
    for (const holding of holdings) this.add(holding);
  }

  /**
   * Tokens that `peer` gives in a thousand seconds. A whole number: then a sum does not
   * depend on the order of its terms.
   */
  of(peer: PlacementPeer, span: Span): number {
    return Math.round(1e6 / (workOf(this.#model, span) * Math.max(LEAST_LAYER_MS, peer.layerMs ?? COST.unknownLayerMs)));
  }

  add({ peer, span }: Holding, sign: 1 | -1 = 1): void {
    const rate = sign * this.of(peer, span);
    for (let layer = span.start; layer < span.end; layer++) {
      this.rates[layer] = (this.rates[layer] ?? 0) + rate;
      this.holders[layer] = (this.holders[layer] ?? 0) + sign;
    }
    for (const cut of [span.start, span.end]) this.#cuts[cut] = (this.#cuts[cut] ?? 0) + sign;
  }

  remove(holding: Holding): void {
    this.add(holding, -1);
  }

  /** The rate of the slowest layer of a span. */
  lowest({ start, end }: Span): number {
    let least = Number.POSITIVE_INFINITY;
    for (let layer = start; layer < end; layer++) least = Math.min(least, this.rates[layer] ?? 0);
    return least;
  }

  isCut(layer: number): boolean {
    return layer === 0 || layer === this.rates.length || (this.#cuts[layer] ?? 0) > 0;
  }

  /**
   * The window for a peer that holds at most `maxLayers`, or one piece between two
   * cuts if that is undefined. The window contains the slowest layer, ends at cuts
   * if it can, since only spans that meet make a route, and is as long as possible.
   */
  window(maxLayers: number | undefined): Span {
    const layerCount = this.rates.length;
    let best: Span = { start: 0, end: 1 };
    let bestRank = [Number.POSITIVE_INFINITY, 0, 0];
    for (let start = 0; start < layerCount; start++) {
      if (!this.isCut(start)) continue;
      let aligned = start;
      let lowest = Number.POSITIVE_INFINITY;
      const furthest = maxLayers === undefined ? layerCount : Math.min(layerCount, start + maxLayers);
      for (let end = start + 1; end <= furthest; end++) {
        lowest = Math.min(lowest, this.rates[end - 1] ?? 0);
        const isLast = end - start === maxLayers;
        if (!this.isCut(end) && !(isLast && aligned === start)) continue;
        if (this.isCut(end)) aligned = end;
        const rank = [lowest, this.isCut(end) ? 0 : 1, start - end];
        if (isLess(rank, bestRank)) [best, bestRank] = [{ start, end }, rank];
        if (maxLayers === undefined) break;
      }
    }
    return best;
  }
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
}
