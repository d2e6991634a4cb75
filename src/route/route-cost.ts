// What a hop of a route costs: as it was measured, or else a pessimistic guess, or for an
// old measurement something between. Pure.
import { type PeerId, type Span, spanLength } from "../shared/ids.ts";

/** A number that was measured `ageMs` ago, 0 by default: some numbers come afresh with every snapshot. */
export interface Measured {
  readonly value: number;
  readonly ageMs?: number;
}

export interface RoutePeer {
  readonly peer: PeerId;
  readonly serving: readonly Span[];
  /** Sessions open at the peer now. A step waits for one step of each. */
  readonly sessions: number;
  /** Measured milliseconds per layer and decode step; undefined counts as slow. */
  readonly layerMs: number | undefined;
  /** Milliseconds since `layerMs` was measured. Default 0. */
  readonly layerMsAgeMs?: number | undefined;
  /** Round trip between requester and peer, in milliseconds. */
  readonly rttMs?: Measured | undefined;
  /** Round trips to other peers, as this one measured them. They count in both directions. */
  readonly neighbours?: readonly { readonly peer: PeerId; readonly rttMs: number; readonly ageMs?: number }[] | undefined;
  /** Bytes of key/value cache that the peer has left; undefined counts as enough. */
  readonly freeCacheBytes?: number | undefined;
  /** Peers of one class compute the same bytes. */
  readonly determinismClass?: string | undefined;
}

/** What a route is for. By default it covers all layers, from the requester and back to it. */
export interface RouteNeeds {
  /** The layers to fill: a gap in a route that lost a span. */
  readonly layers?: Span | undefined;
  /** The peer that sends into `layers`; undefined for the requester. */
  readonly from?: PeerId | undefined;
  /** The peer that gets the output of `layers`; undefined for the requester. */
  readonly to?: PeerId | undefined;
  /** Determinism class to stay in, if any route does. */
  readonly determinismClass?: string | undefined;
  /** Cache that the session takes: positions, and bytes of one position in each layer. */
  readonly cache?: { readonly positions: number; readonly bytesPerLayer: readonly number[] } | undefined;
}

export const COST = Object.freeze({
  /** Milliseconds a layer that are assumed of a peer that has not measured itself. */
  unknownLayerMs: 100,
  /** Milliseconds of a round trip that nobody measured: as between continents. A hop takes half of it. */
  unknownRttMs: 200,
  /** Milliseconds that a hop takes beside its way: wake-ups and copies, as measured between tabs of one machine. */
  hopMs: 2,
  /** Milliseconds after which a measured round trip counts half, and the guess for strangers the other half. */
  rttHalfLifeMs: 120_000,
  /** The same for a peer's speed, which changes less. */
  speedHalfLifeMs: 600_000,
  /** Milliseconds for leaving the class: more than any lap, so that a route leaves it only if there is no other. */
  otherClassMs: 1e7,
  /** The same for a peer without room for the session. That is worse, because the peer refuses. */
  noRoomMs: 1e9,
});

/**
 * A measurement that fades: with each half-life it moves half of the way to `unknown`, the guess for the unmeasured.
 */
export function outweigh(value: number, ageMs: number, unknown: number, halfLifeMs: number): number {
  const weight = 2 ** (-Math.max(0, ageMs) / halfLifeMs);
  return weight * value + (1 - weight) * unknown;
}

/** Milliseconds of one step of a session in `span` at `peer`, queue and penalties included. */
export function spanMs(peer: RoutePeer, span: Span, { cache, determinismClass }: RouteNeeds): number {
  const layerMs =
    peer.layerMs === undefined
      ? COST.unknownLayerMs
      : outweigh(peer.layerMs, peer.layerMsAgeMs ?? 0, COST.unknownLayerMs, COST.speedHalfLifeMs);
  let ms = COST.hopMs + spanLength(span) * layerMs * (1 + peer.sessions);
  if (determinismClass !== undefined && peer.determinismClass !== determinismClass) ms += COST.otherClassMs;
  if (cache && peer.freeCacheBytes !== undefined) {
    let bytes = 0;
    for (let layer = span.start; layer < span.end; layer++) bytes += cache.positions * (cache.bytesPerLayer[layer] ?? 0);
    if (bytes > peer.freeCacheBytes) ms += COST.noRoomMs;
  }
  return ms;
}

/** One-way milliseconds of a round trip that took `rttMs` when it was measured. */
export function oneWayMs(rttMs: number, ageMs = 0): number {
  return (ageMs <= 0 ? rttMs : outweigh(rttMs, ageMs, COST.unknownRttMs, COST.rttHalfLifeMs)) / 2;
}
