// Peers that this tab asks for no answers: for good if an audit found them wrong, for a while if it left a doubt.
import type { DetourRequest } from "../../inference/requester/plan-detour.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";

export class AvoidedPeers {
  readonly #clock: Pick<Clock, "now">;
  /** Milliseconds of the clock at which each peer may be asked again. */
  readonly #untilMs = new Map<PeerId, number>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Avoids `peer` for `forMs` milliseconds, or for longer if that was said before. */
  avoid(peer: PeerId, forMs: number): void {
    this.#untilMs.set(peer, Math.max(this.#clock.now() + forMs, this.#untilMs.get(peer) ?? 0));
  }

  has(peer: PeerId): boolean {
    return (this.#untilMs.get(peer) ?? 0) > this.#clock.now();
  }

  /** All that are avoided now. */
  get all(): ReadonlySet<PeerId> {
    return new Set([...this.#untilMs.keys()].filter((peer) => this.has(peer)));
  }

  /** All that are avoided now, and `others`. */
  and(others: ReadonlySet<PeerId>): ReadonlySet<PeerId> {
    return new Set([...this.all, ...others]);
  }

  /** Returns `request` with the avoided peers excluded as well. */
  leftOutOf(request: DetourRequest): DetourRequest {
    return {
      ...request,
      exclude: () => this.and(request.exclude()),
      silent: () => new Set([...request.silent()].filter((peer) => !this.has(peer))),
    };
  }
}
