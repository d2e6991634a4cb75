// Round trips to peers, measured by the life lines of direct connections. A busy page makes a round trip longer, never
// shorter, so the shortest of the newest counts.
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import { RecentMap } from "../../shared/recent-map.ts";

const DEFAULTS = Object.freeze({
  /** Measurements kept of each peer. */
  kept: 5,
  /** Peers remembered. The one that was measured longest ago is forgotten first. */
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
  /** Times with the newest last, and peers with the one measured last at the end. */
  readonly #measured = new RecentMap<PeerId, { readonly times: readonly number[]; readonly atMs: number }>(DEFAULTS.peers);

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** `peer` replied after `ms` milliseconds. */
  note(peer: PeerId, ms: number): void {
    const times = [...(this.#measured.get(peer)?.times ?? []), ms].slice(-DEFAULTS.kept);
    this.#measured.set(peer, { times, atMs: this.#clock.now() });
  }

  /** Returns undefined if no round trip to `peer` is known. */
  of(peer: PeerId): RoundTrip | undefined {
    const known = this.#measured.get(peer);
    return known && { value: Math.min(...known.times), ageMs: this.#clock.now() - known.atMs };
  }

  /**
   * Returns the round trips to the peers that were measured last, `count` at most. They are in whole milliseconds, so
   * that an announcement of them changes only if the change means something.
   */
  latest(count: number): { readonly peer: PeerId; readonly rttMs: number }[] {
    return [...this.#measured]
      .slice(-count)
      .map(([peer, { times }]) => ({ peer, rttMs: Math.round(Math.min(...times)) }))
      .toSorted((a, b) => (a.peer < b.peer ? -1 : 1));
  }
}
