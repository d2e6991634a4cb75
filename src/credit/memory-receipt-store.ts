// Waiting receipts in memory, for programs without storage and browsers that block it.
import type { ReceiptStore, WaitingReceipt } from "./receipt-store.ts";

export class MemoryReceiptStore implements ReceiptStore {
  readonly isKept = false;
  readonly #receipts = new Map<string, WaitingReceipt>();

  async write(receipts: readonly WaitingReceipt[], gone: readonly string[] = []): Promise<number> {
    for (const key of gone) this.#receipts.delete(key);
    for (const receipt of receipts) this.#receipts.set(receipt.key, receipt);
    return this.#receipts.size;
  }

  async due(nowMs: number, limit: number): Promise<readonly WaitingReceipt[]> {
    return [...this.#receipts.values()]
      .filter(({ notBeforeMs }) => notBeforeMs <= nowMs)
      .toSorted((a, b) => a.notBeforeMs - b.notBeforeMs || a.addedMs - b.addedMs)
      .slice(0, limit);
  }

  async count(): Promise<number> {
    return this.#receipts.size;
  }

  close(): void {
    // nothing is open
  }
}
