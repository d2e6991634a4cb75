// What mending a route took, until the route answers again and it can be told.
import type { PeerId } from "../../shared/ids.ts";
import type { Rerouted, RouteHop } from "../generate-event.ts";

interface Mended {
  readonly lost: readonly PeerId[];
  /** Positions that whoever is new computes again. */
  readonly replayed: number;
  /** When the loss was noticed, how long after the last sign, and how long linking took; milliseconds. */
  readonly noticedMs: number;
  readonly detectMs: number;
  readonly linkMs: number;
}

export class RerouteTally {
  #mended: Mended | undefined;

  /** Whether something was mended that the route has not answered to. */
  get isOpen(): boolean {
    return this.#mended !== undefined;
  }

  /** A further loss before the route answers counts to the first. */
  add(mended: Mended): void {
    const before = this.#mended;
    this.#mended = before ? { ...before, lost: [...before.lost, ...mended.lost], linkMs: before.linkMs + mended.linkMs } : mended;
  }

  /** What to tell now that the route has answered; undefined where nothing was mended. */
  take(hops: readonly RouteHop[], nowMs: number): Rerouted | undefined {
    if (!this.#mended) return undefined;
    const { noticedMs, ...told } = this.#mended;
    this.#mended = undefined;
    return { kind: "rerouted", ...told, hops, resumeMs: nowMs - noticedMs };
  }
}
