// How much the logs of a span's sessions may hold in memory, all together. Outputs beyond that go to a store.
import { errorMessage } from "../../shared/errors.ts";
import type { SessionId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { OutputStore } from "./output-store.ts";

export const OUTPUT_BUDGET = Object.freeze({
  /**
   * Bytes of outputs in memory for each span: 20,000 positions of a model that is 768 wide in f32, 4,000 of one 4,096
   * wide.
   */
  memoryBytes: 64 * 1024 * 1024,
});

/** One output as the budget sees it. */
export interface BudgetedOutput {
  /** Names it in the store. */
  readonly index: number;
  /** Undefined once it is in the store. */
  payload: Uint8Array<ArrayBuffer> | undefined;
}

/** Counts the bytes of all logs of one span, and moves outputs to the store. */
export class OutputBudget {
  readonly #limitBytes: number;
  readonly #store: OutputStore;
  readonly #log: Log;
  #usedBytes = 0;

  constructor(store: OutputStore, log: Log, limitBytes: number = OUTPUT_BUDGET.memoryBytes) {
    this.#store = store;
    this.#log = log;
    this.#limitBytes = limitBytes;
  }

  /** Bytes in memory now. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get isOver(): boolean {
    return this.#usedBytes > this.#limitBytes;
  }

  add(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /** Moves `output` to the store. If that fails it stays in memory: better over the budget than without the log. */
  async spill(session: SessionId, output: BudgetedOutput): Promise<void> {
    const { payload } = output;
    if (payload === undefined) return;
    try {
      await this.#store.put(session, output.index, payload);
    } catch (error) {
      this.#log.warn("an output could not be stored and stays in memory", { error: errorMessage(error) });
      return;
    }
    // If it was truncated or freed meanwhile, its bytes are subtracted already.
    if (output.payload !== payload) return;
    output.payload = undefined;
    this.#usedBytes -= payload.byteLength;
  }

  /** Returns the bytes of `output` from memory or from the store; undefined if the store lost them. */
  async read(session: SessionId, output: BudgetedOutput): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (output.payload !== undefined) return output.payload;
    try {
      return await this.#store.get(session, output.index);
    } catch (error) {
      this.#log.warn("a stored output could not be read", { error: errorMessage(error) });
      return undefined;
    }
  }

  /** Forgets these outputs of `session`, and all stored ones from `fromIndex` on. */
  free(session: SessionId, outputs: readonly BudgetedOutput[], fromIndex: number): void {
    let stored = false;
    for (const output of outputs) {
      if (output.payload === undefined) stored = true;
      else this.#usedBytes -= output.payload.byteLength;
      output.payload = undefined;
    }
    if (!stored && fromIndex > 0) return;
    this.#store.drop(session, fromIndex).catch((error: unknown) => {
      this.#log.warn("stored outputs could not be dropped", { error: errorMessage(error) });
    });
  }
}
