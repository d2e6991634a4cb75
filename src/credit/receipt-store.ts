// Port: where receipts wait until the ledger has them. What is put outlives the page where the browser keeps storage.

/** One waiting receipt, as plain data. */
export interface WaitingReceipt {
  /** Names the receipt; putting it twice keeps one. */
  readonly key: string;
  /** The receipt in canonical bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970. */
  readonly addedMs: number;
  /** How often the ledger put it off, and from when it is worth another try. */
  readonly tries: number;
  readonly notBeforeMs: number;
}

export interface ReceiptStore {
  /** Whether what is put outlives the page. */
  readonly isKept: boolean;
  put(receipt: WaitingReceipt): Promise<void>;
  /** Those worth a try at `nowMs`, the oldest first. */
  due(nowMs: number, limit: number): Promise<readonly WaitingReceipt[]>;
  remove(keys: readonly string[]): Promise<void>;
  /** How many wait, due or not. */
  count(): Promise<number>;
  close(): void;
}
