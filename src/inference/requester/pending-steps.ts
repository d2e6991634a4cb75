// Steps that are under way and wait for the last span's word, oldest first; how many there may be is bounded.
import type { StepAnswer } from "./route-session-options.ts";

export interface PendingStep {
  /** Positions after the step. */
  readonly position: number;
  readonly count: number;
  /** Running hash after each of its positions. */
  readonly chain: Uint8Array;
  /** Positions whose logits are wanted. */
  readonly logitRows: number;
  readonly sentMs: number;
}

interface Waiting {
  readonly step: PendingStep;
  readonly answer: PromiseWithResolvers<StepAnswer | undefined>;
}

export class PendingSteps {
  readonly #most: number;
  #waiting: readonly Waiting[] = [];
  #room = Promise.withResolvers<void>();

  /** `most`: steps under way at once. */
  constructor(most: number) {
    this.#most = most;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#most;
  }

  /** The step that is answered next; undefined where none is under way. */
  get first(): PendingStep | undefined {
    return this.#waiting[0]?.step;
  }

  /** New positions of the largest step; -Infinity where none is under way. */
  get largestCount(): number {
    return Math.max(...this.#waiting.map(({ step }) => step.count));
  }

  /** Resolves at the next answer, or when all have failed. */
  get room(): Promise<void> {
    return this.#room.promise;
  }

  /** What `step` will be answered with: undefined where no logits are wanted. */
  add(step: PendingStep): Promise<StepAnswer | undefined> {
    const answer = Promise.withResolvers<StepAnswer | undefined>();
    answer.promise.catch(() => {}); // whoever waits hears of it
    this.#waiting = [...this.#waiting, { step, answer }];
    return answer.promise;
  }

  /** The first step is answered. */
  settle(answer: StepAnswer | undefined): void {
    const [first, ...others] = this.#waiting;
    this.#waiting = others;
    first?.answer.resolve(answer);
    this.#makeRoom();
  }

  /** None of them will be answered. */
  fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { answer } of waiting) answer.reject(error);
    this.#makeRoom();
  }

  #makeRoom(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }
}
