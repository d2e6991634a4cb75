// The tile store as a tab uses it: it notifies of new tiles, remembers which ones are
// missing, and survives a full disk.
import { errorMessage } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { BudgetedStore } from "./tile-store.ts";

export interface TabTileStoreOptions {
  readonly store: BudgetedStore;
  /** Called with the hex hash of each tile that was stored. */
  readonly onGained: (hash: string) => void;
  /** Called once when the browser gives no more room. Loading goes on without storing. */
  readonly onFull: () => void;
  readonly log: Log;
}

export class TabTileStore implements BudgetedStore {
  readonly #options: TabTileStoreOptions;
  /** Hashes that were looked up in vain: peers that wait for them ask again and again. */
  readonly #absent = new Set<string>();
  #isFull = false;

  constructor(options: TabTileStoreOptions) {
    this.#options = options;
  }

  async get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#absent.has(hash)) return undefined;
    const bytes = await this.#options.store.get(hash);
    if (bytes === undefined) this.#absent.add(hash);
    return bytes;
  }

  /** Does not reject for lack of room. Rejects as the store does for other reasons. */
  async put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#isFull) return;
    try {
      await this.#options.store.put(hash, bytes);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "QuotaExceededError") throw error;
      this.#isFull = true;
      this.#options.log.warn("the browser gives no more room for tiles", { reason: errorMessage(error) });
      this.#options.onFull();
      return;
    }
    this.#absent.delete(hash);
    this.#options.onGained(hash);
  }

  async delete(hash: string): Promise<void> {
    this.#absent.add(hash);
    await this.#options.store.delete(hash);
  }

  async setBudget(budgetBytes: number): Promise<void> {
    await this.#options.store.setBudget(budgetBytes);
    this.#isFull = false; // a smaller budget frees room
  }
}
