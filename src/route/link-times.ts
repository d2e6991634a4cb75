// How long the way between any two peers of a swarm takes: as they measured it, or else
// as is assumed of strangers. Pure.
import type { PeerId } from "../shared/ids.ts";
import { COST, oneWayMs, type RoutePeer } from "./route-cost.ts";

const UNKNOWN_MS = COST.unknownRttMs / 2;

/**
 * One-way milliseconds between peers. Peers are numbers here, their places in the list that it is made of, because
 * every route reads ten thousand peers with eight neighbours each.
 */
export class LinkTimes {
  readonly #numbers = new Map<PeerId, number>();
  readonly #toRequesterMs: Float64Array;
  /** By peer: where its measured pairs begin in the three arrays below. */
  readonly #begin: Int32Array;
  readonly #other: Int32Array;
  readonly #rttMs: Float64Array;
  readonly #ageMs: Float64Array;

  /** `others` are peers outside the swarm whose way some peer may have measured: the ends of a gap. */
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
    // Each pair is entered at both of its ends: first counted, then sorted into place.
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

  /** One-way milliseconds between the requester and the peer of that number. */
  requesterMs(number: number | undefined): number {
    return number === undefined ? UNKNOWN_MS : (this.#toRequesterMs[number] ?? UNKNOWN_MS);
  }

  /** Calls `visit` with each peer whose way to the peer of that number was measured: twice if both ends measured it. */
  known(number: number, visit: (other: number, rttMs: number, ageMs: number) => void): void {
    const end = this.#begin[number + 1] ?? 0;
    for (let at = this.#begin[number] ?? 0; at < end; at++) visit(this.#other[at] ?? 0, this.#rttMs[at] ?? 0, this.#ageMs[at] ?? 0);
  }

  /**
   * One-way milliseconds from one peer to another; `undefined` is the requester. 0 within a peer; else as measured;
   * else the way over the requester, if that is shorter than what is assumed of strangers. Of two measurements the
   * fresher one counts; of two that are as fresh, the longer one.
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
