// Waiting receipts in memory: for programs without storage, and browsers that block it.
import type { ReceiptStore, WaitingReceipt } from "./receipt-store.ts";

export class MemoryReceiptStore implements ReceiptStore {
  readonly isKept = false;
  readonly #receipts = new Map<string, WaitingReceipt>();

  async put(receipt: WaitingReceipt): Promise<void> {
    this.#receipts.set(receipt.key, receipt);
  }

  async due(nowMs: number, limit: number): Promise<readonly WaitingReceipt[]> {
    return [...this.#receipts.values()]
      .filter(({ notBeforeMs }) => notBeforeMs <= nowMs)
      .toSorted((a, b) => a.addedMs - b.addedMs)
      .slice(0, limit);
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#receipts.delete(key);
  }

  async count(): Promise<number> {
    return this.#receipts.size;
  }

  close(): void {
    // nothing is held open
  }
}
