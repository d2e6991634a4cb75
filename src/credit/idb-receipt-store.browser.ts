// Waiting receipts in IndexedDB, so that work done while the relay was away is paid after a reload.
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { ReceiptStore, WaitingReceipt } from "./receipt-store.ts";

interface ReceiptSchema extends DBSchema {
  receipts: { key: string; value: WaitingReceipt; indexes: { addedMs: number } };
}

/** Rejects with the platform's DOMException where storage is blocked or full. */
export class IdbReceiptStore implements ReceiptStore {
  readonly isKept = true;
  readonly #db: IDBPDatabase<ReceiptSchema>;

  private constructor(db: IDBPDatabase<ReceiptSchema>) {
    this.#db = db;
  }

  static async open(name: string): Promise<IdbReceiptStore> {
    const db = await openDB<ReceiptSchema>(name, 1, {
      upgrade(fresh) {
        fresh.createObjectStore("receipts", { keyPath: "key" }).createIndex("addedMs", "addedMs");
      },
      // Another tab wants to change or delete the database: let go of it.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(), // versionchange events come from the database
    });
    return new IdbReceiptStore(db);
  }

  async put(receipt: WaitingReceipt): Promise<void> {
    await this.#db.put("receipts", receipt);
  }

  async due(nowMs: number, limit: number): Promise<readonly WaitingReceipt[]> {
    const found: WaitingReceipt[] = [];
    const index = this.#db.transaction("receipts").store.index("addedMs");
    for (let cursor = await index.openCursor(); cursor !== null && found.length < limit; cursor = await cursor.continue()) {
      if (cursor.value.notBeforeMs <= nowMs) found.push(cursor.value);
    }
    return found;
  }

  async remove(keys: readonly string[]): Promise<void> {
    const transaction = this.#db.transaction("receipts", "readwrite");
    await Promise.all(keys.map((key) => transaction.store.delete(key)));
    await transaction.done;
  }

  count(): Promise<number> {
    return this.#db.count("receipts");
  }

  /** Idempotent. */
  close(): void {
    this.#db.close();
  }
}
