// A tile store in memory: for tests, for Node, and for tabs without IndexedDB.
import type { BudgetedStore } from "./tile-store.ts";

export class MemoryTileStore implements BudgetedStore {
  /** By time of use: the first tile was used longest ago. */
  readonly #tiles = new Map<string, Uint8Array<ArrayBuffer>>();
  #budgetBytes: number;
  #heldBytes = 0;

  constructor(options: { readonly budgetBytes: number }) {
    this.#budgetBytes = options.budgetBytes;
  }

  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const tile = this.#tiles.get(hash);
    if (tile !== undefined) {
      this.#tiles.delete(hash);
      this.#tiles.set(hash, tile);
    }
    return Promise.resolve(tile?.slice());
  }

  async put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.delete(hash);
    if (bytes.byteLength > this.#budgetBytes) return;
    this.#tiles.set(hash, bytes.slice());
    this.#heldBytes += bytes.byteLength;
    this.#evict();
  }

  setBudget(budgetBytes: number): Promise<void> {
    this.#budgetBytes = budgetBytes;
    this.#evict();
    return Promise.resolve();
  }

  #evict(): void {
    for (const [oldest, tile] of this.#tiles) {
      if (this.#heldBytes <= this.#budgetBytes) break;
      this.#tiles.delete(oldest);
      this.#heldBytes -= tile.byteLength;
    }
  }

  delete(hash: string): Promise<void> {
    const tile = this.#tiles.get(hash);
    if (tile !== undefined) {
      this.#tiles.delete(hash);
      this.#heldBytes -= tile.byteLength;
    }
    return Promise.resolve();
  }
}
