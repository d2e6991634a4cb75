// What a hop of a route costs: measured where it was measured, pessimistic where it was not, an old measurement in between. Pure.
import { type PeerId, type Span, spanLength } from "../shared/ids.ts";

/** A number that was measured `ageMs` ago; 0 where it is told afresh with every snapshot. */
export interface Measured {
  readonly value: number;
  readonly ageMs?: number;
}

export interface RoutePeer {
  readonly peer: PeerId;
  readonly serving: readonly Span[];
  /** Sessions open at the peer now: each makes a step wait for one of theirs. */
  readonly sessions: number;
  /** Measured milliseconds per layer and decode step; undefined counts as slow. */
  readonly layerMs: number | undefined;
  /** Milliseconds since `layerMs` was measured. Default 0. */
  readonly layerMsAgeMs?: number | undefined;
  /** Round trip between requester and peer, in milliseconds. */
  readonly rttMs?: Measured | undefined;
  /** Round trips to other peers, as this one measured them. They hold in both directions. */
  readonly neighbours?: readonly { readonly peer: PeerId; readonly rttMs: number; readonly ageMs?: number }[] | undefined;
  /** Bytes of key/value cache that it has left; undefined counts as enough. */
  readonly freeCacheBytes?: number | undefined;
  /** Peers of one class compute the same bytes. */
  readonly determinismClass?: string | undefined;
}

/** What a route is for. All of it optional: by default all layers, from the requester and back to it. */
export interface RouteNeeds {
  /** The layers to fill: a gap in a route that lost a span. */
  readonly layers?: Span | undefined;
  /** The peer that sends into `layers`; undefined for the requester. */
  readonly from?: PeerId | undefined;
  /** The peer that takes what comes out of `layers`; undefined for the requester. */
  readonly to?: PeerId | undefined;
  /** Class to stay in while any route does. */
  readonly determinismClass?: string | undefined;
  /** Room that the session takes: positions, and the bytes of cache that one position takes in each layer. */
  readonly cache?: { readonly positions: number; readonly bytesPerLayer: readonly number[] } | undefined;
}

export const COST = Object.freeze({
  /** Milliseconds a layer that a peer which has not measured itself is taken to need. */
  unknownLayerMs: 100,
  /** Milliseconds of a round trip that nobody measured: between continents. A hop takes half of it. */
  unknownRttMs: 200,
  /** Milliseconds that a hop takes beside its way: wake-ups and copies, as measured between tabs of one machine. */
  hopMs: 2,
  /** Milliseconds after which a measured round trip weighs half, and what is assumed of strangers the other half. */
  rttHalfLifeMs: 120_000,
  /** The same for a peer's speed, which changes less. */
  speedHalfLifeMs: 600_000,
  /** Milliseconds that stand for leaving the class: more than any lap, so that it is done only where no other route is left. */
  otherClassMs: 1e7,
  /** The same for a peer without room for the session, which is worse: it refuses. */
  noRoomMs: 1e9,
});

/** A measurement sinks towards what is assumed of the unmeasured, by half with each half-life. */
export function outweigh(value: number, ageMs: number, unknown: number, halfLifeMs: number): number {
  const weight = 2 ** (-Math.max(0, ageMs) / halfLifeMs);
  return weight * value + (1 - weight) * unknown;
}

/** Milliseconds of one step of a session in `span` at `peer`, its queue and penalties included. */
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

/** Milliseconds one way of a round trip that took `rttMs` when it was measured. */
export function oneWayMs(rttMs: number, ageMs = 0): number {
  return (ageMs <= 0 ? rttMs : outweigh(rttMs, ageMs, COST.unknownRttMs, COST.rttHalfLifeMs)) / 2;
}
