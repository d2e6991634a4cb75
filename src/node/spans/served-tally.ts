// Sums of the steps that a span's worker served since its last report: one for each requester, audits apart.
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";

type ServedStep = SpanServiceEvents["span:served"];

export class ServedTally {
  #sums = new Map<string, ServedStep>();

  /** Returns whether this is the first step since `take`. */
  add(step: ServedStep): boolean {
    const first = this.#sums.size === 0;
    const key = `${step.requester} ${step.isAudit}`;
    const sum = this.#sums.get(key);
    this.#sums.set(key, sum ? { ...step, positions: sum.positions + step.positions, computeMs: sum.computeMs + step.computeMs } : step);
    return first;
  }

  /** Returns the sums, and starts anew. */
  take(): readonly ServedStep[] {
    const sums = [...this.#sums.values()];
    this.#sums = new Map();
    return sums;
  }
}
