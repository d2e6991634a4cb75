// The steps of one session that are under way: each waits until the last span sends its logits, the oldest step first.
// How many there may be at once is bounded.
import type { TopLogits } from "../../engine/contract.ts";
import type { SpanTiming } from "../../protocol/session-frames.ts";

export interface PendingStep {
  /** Positions after the step. */
  readonly position: number;
  readonly count: number;
  /** The running hash after each of its positions. */
  readonly chain: Uint8Array;
  /** How many of its last positions logits are wanted for. */
  readonly logitRows: number;
  readonly sentMs: number;
}

export interface StepResult {
  /** After the last position. */
  readonly logits: TopLogits;
  /** After each position that logits were asked for, oldest first. One row only if the model gives no more. */
  readonly rows: readonly TopLogits[];
  /** One for each hop, in order. */
  readonly timings: readonly SpanTiming[];
}

interface Waiting {
  readonly step: PendingStep;
  readonly result: PromiseWithResolvers<StepResult | undefined>;
}

export class PendingSteps {
  readonly #limit: number;
  #waiting: readonly Waiting[] = [];
  #freed = Promise.withResolvers<void>();

  /** `limit`: how many steps may be under way at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#limit;
  }

  /** The step whose logits come next; undefined if none is under way. */
  get first(): PendingStep | undefined {
    return this.#waiting[0]?.step;
  }

  /** New positions of the largest step; -Infinity if none is under way. */
  get largestCount(): number {
    return Math.max(...this.#waiting.map(({ step }) => step.count));
  }

  /** Resolves when the next step has its logits, or when all have failed. */
  get nextFreed(): Promise<void> {
    return this.#freed.promise;
  }

  /** Resolves with the step's result; with undefined if no logits are wanted. */
  add(step: PendingStep): Promise<StepResult | undefined> {
    const result = Promise.withResolvers<StepResult | undefined>();
    result.promise.catch(() => {}); // the caller sees the failure
    this.#waiting = [...this.#waiting, { step, result }];
    return result.promise;
  }

  /** The logits of the first step have come. */
  settle(result: StepResult | undefined): void {
    const [first, ...others] = this.#waiting;
    this.#waiting = others;
    first?.result.resolve(result);
    this.#free();
  }

  /** Fails all of them. */
  fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { result } of waiting) result.reject(error);
    this.#free();
  }

  #free(): void {
    this.#freed.resolve();
    this.#freed = Promise.withResolvers();
  }
}
