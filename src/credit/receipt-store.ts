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
  /** Keeps `receipts`, each in place of the one with its key, and drops those with the keys in `gone`: both or neither. Answers how many wait then. */
  write(receipts: readonly WaitingReceipt[], gone?: readonly string[]): Promise<number>;
  /** Those worth a try at `nowMs`: first what was never put off, of those the oldest first. */
  due(nowMs: number, limit: number): Promise<readonly WaitingReceipt[]>;
  /** How many wait, due or not. */
  count(): Promise<number>;
  close(): void;
}
