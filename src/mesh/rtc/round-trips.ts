// Round trips to peers, as signs of life over direct connections measured them. A busy page only ever adds to one: the least
// of the newest counts.
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import { RecentMap } from "../../shared/recent-map.ts";

const DEFAULTS = Object.freeze({
  /** Measurements of a peer that are kept. */
  kept: 5,
  /** Peers that are remembered; who was heard longest ago goes first. */
  peers: 256,
});

export interface RoundTrip {
  /** Milliseconds there and back. */
  readonly value: number;
  /** Milliseconds since the newest measurement. */
  readonly ageMs: number;
}

export class RoundTrips {
  readonly #clock: Pick<Clock, "now">;
  /** Newest last, peers in the order in which they were heard. */
  readonly #measured = new RecentMap<PeerId, { readonly times: readonly number[]; readonly atMs: number }>(DEFAULTS.peers);

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** `peer` answered after `ms` milliseconds. */
  note(peer: PeerId, ms: number): void {
    const times = [...(this.#measured.get(peer)?.times ?? []), ms].slice(-DEFAULTS.kept);
    this.#measured.set(peer, { times, atMs: this.#clock.now() });
  }

  /** Undefined where `peer` never answered. */
  of(peer: PeerId): RoundTrip | undefined {
    const known = this.#measured.get(peer);
    return known && { value: Math.min(...known.times), ageMs: this.#clock.now() - known.atMs };
  }

  /** Those that were heard last, `count` at most; whole milliseconds, so that what is told changes only when it means something. */
  latest(count: number): { readonly peer: PeerId; readonly rttMs: number }[] {
    return [...this.#measured]
      .slice(-count)
      .map(([peer, { times }]) => ({ peer, rttMs: Math.round(Math.min(...times)) }))
      .toSorted((a, b) => (a.peer < b.peer ? -1 : 1));
  }
}
