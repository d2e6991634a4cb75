// How long a hop's way takes between any two of a swarm: what they measured, and what is assumed of the rest. Pure.
import type { PeerId } from "../shared/ids.ts";
import { COST, oneWayMs, type RoutePeer } from "./route-cost.ts";

const UNKNOWN_MS = COST.unknownRttMs / 2;

/**
 * One-way milliseconds between peers, by their number in the list that it is made of; numbers rather than names, because
 * ten thousand peers with eight neighbours each are read for every route.
 */
export class LinkTimes {
  readonly #numbers = new Map<PeerId, number>();
  readonly #toRequesterMs: Float64Array;
  /** Where the measured pairs of each peer begin in the three arrays that follow. */
  readonly #begin: Int32Array;
  readonly #other: Int32Array;
  readonly #rttMs: Float64Array;
  readonly #ageMs: Float64Array;

  /** `others` are peers outside the swarm that somebody may have measured: the ends of a gap. */
  constructor(peers: readonly RoutePeer[], others: readonly (PeerId | undefined)[] = []) {
    for (const { peer } of peers) this.#numbers.set(peer, this.#numbers.size);
    for (const peer of others) if (peer !== undefined && !this.#numbers.has(peer)) this.#numbers.set(peer, this.#numbers.size);
    const count = this.#numbers.size;
    this.#toRequesterMs = new Float64Array(count).fill(UNKNOWN_MS);
    this.#begin = new Int32Array(count + 1);
    const most = peers.reduce((sum, { neighbours = [] }) => sum + neighbours.length, 0);
    const ends = new Int32Array(2 * most);
    const measured = new Float64Array(2 * most);
    let filled = 0;
    for (const [number, { rttMs, neighbours = [] }] of peers.entries()) {
      if (rttMs) this.#toRequesterMs[number] = oneWayMs(rttMs.value, rttMs.ageMs);
      for (const { peer, rttMs: pairMs, ageMs = 0 } of neighbours) {
        const other = this.#numbers.get(peer);
        if (other === undefined || other === number) continue;
        ends[filled] = number;
        measured[filled++] = pairMs;
        ends[filled] = other;
        measured[filled++] = ageMs;
      }
    }
    // Both ends know of a pair: counted, then sorted into place.
    for (const end of ends.subarray(0, filled)) this.#begin[end + 1] = (this.#begin[end + 1] ?? 0) + 1;
    for (let number = 0; number < count; number++) this.#begin[number + 1] = (this.#begin[number + 1] ?? 0) + (this.#begin[number] ?? 0);
    const next = this.#begin.slice();
    this.#other = new Int32Array(filled);
    this.#rttMs = new Float64Array(filled);
    this.#ageMs = new Float64Array(filled);
    for (let index = 0; index < filled; index++) {
      const end = ends[index] ?? 0;
      const at = next[end] ?? 0;
      next[end] = at + 1;
      this.#other[at] = ends[index ^ 1] ?? 0;
      this.#rttMs[at] = measured[index & ~1] ?? 0;
      this.#ageMs[at] = measured[index | 1] ?? 0;
    }
  }

  get size(): number {
    return this.#numbers.size;
  }

  numberOf(peer: PeerId): number | undefined {
    return this.#numbers.get(peer);
  }

  /** Between requester and the peer of that number. */
  requesterMs(number: number | undefined): number {
    return number === undefined ? UNKNOWN_MS : (this.#toRequesterMs[number] ?? UNKNOWN_MS);
  }

  /** Calls `visit` with everyone whose way to the peer of that number was measured: twice where both ends did. */
  known(number: number, visit: (other: number, rttMs: number, ageMs: number) => void): void {
    const end = this.#begin[number + 1] ?? 0;
    for (let at = this.#begin[number] ?? 0; at < end; at++) visit(this.#other[at] ?? 0, this.#rttMs[at] ?? 0, this.#ageMs[at] ?? 0);
  }

  /**
   * From one to the other, `undefined` being the requester: 0 within a peer, else as measured, else the detour over the
   * requester where that is shorter than what is assumed of strangers. Of two measurements the fresher counts, the longer
   * of two that are as fresh.
   */
  ms(from: PeerId | undefined, to: PeerId | undefined): number {
    if (from === to) return 0;
    const [a, b] = [from && this.#numbers.get(from), to && this.#numbers.get(to)];
    if (from === undefined || to === undefined) return this.requesterMs(a ?? b);
    let best: Measurement | undefined;
    if (a !== undefined)
      this.known(a, (other, rttMs, ageMs) => {
        if (other === b) best = fresher(best, { rttMs, ageMs });
      });
    return best ? oneWayMs(best.rttMs, best.ageMs) : Math.min(UNKNOWN_MS, this.requesterMs(a) + this.requesterMs(b));
  }
}

interface Measurement {
  readonly rttMs: number;
  readonly ageMs: number;
}

/** Which of two measurements of one pair counts. */
export function fresher(a: Measurement | undefined, b: Measurement): Measurement {
  if (!a || b.ageMs < a.ageMs || (b.ageMs === a.ageMs && b.rttMs > a.rttMs)) return b;
  return a;
}
