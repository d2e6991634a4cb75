// Port: where receipts wait until the ledger has them. They outlive the page if the browser keeps storage.

/** One waiting receipt, as plain data. */
export interface WaitingReceipt {
  /** The receipt's name. A receipt that is written twice is kept once. */
  readonly key: string;
  /** The receipt in canonical bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970. */
  readonly addedMs: number;
  /** How often the ledger postponed it. */
  readonly tries: number;
  /** When it is worth another try; milliseconds since 1970. */
  readonly notBeforeMs: number;
}

export interface ReceiptStore {
  /** Whether receipts outlive the page. */
  readonly isKept: boolean;
  /**
   * Keeps `receipts`, each in place of the one with its key, and drops those with the keys in `gone`: both or neither.
   * Returns how many wait then.
   */
  write(receipts: readonly WaitingReceipt[], gone?: readonly string[]): Promise<number>;
  /**
   * Returns receipts that are worth a try at `nowMs`. Those never postponed come first, and of these the oldest first.
   */
  due(nowMs: number, limit: number): Promise<readonly WaitingReceipt[]>;
  /** Returns how many wait, due or not. */
  count(): Promise<number>;
  close(): void;
}
