// Steps that were served, summed for each requester until they are told.
import type { SpanServiceEvents } from "../inference/span-service.ts";
import type { PeerId } from "../shared/ids.ts";

type ServedStep = SpanServiceEvents["span:served"];

export class ServedTally {
  #sums = new Map<PeerId, ServedStep>();

  /** Whether this is the first step since `take`. */
  add(step: ServedStep): boolean {
    const first = this.#sums.size === 0;
    const sum = this.#sums.get(step.requester);
    this.#sums.set(
      step.requester,
      sum ? { ...step, positions: sum.positions + step.positions, computeMs: sum.computeMs + step.computeMs } : step,
    );
    return first;
  }

  take(): readonly ServedStep[] {
    const sums = [...this.#sums.values()];
    this.#sums = new Map();
    return sums;
  }
}
