// Waiting receipts in IndexedDB, so that work that was done while the relay was away is paid even after a reload.
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { ReceiptStore, WaitingReceipt } from "./receipt-store.ts";

interface ReceiptSchema extends DBSchema {
  receipts: { key: string; value: WaitingReceipt; indexes: { due: [number, number] } };
}

/** Methods reject with the platform's DOMException if storage is blocked or full. */
export class IdbReceiptStore implements ReceiptStore {
  readonly isKept = true;
  readonly #db: IDBPDatabase<ReceiptSchema>;

  private constructor(db: IDBPDatabase<ReceiptSchema>) {
    this.#db = db;
  }

  static async open(name: string): Promise<IdbReceiptStore> {
    const db = await openDB<ReceiptSchema>(name, 2, {
      upgrade(fresh, before, _now, change) {
        const receipts = before === 0 ? fresh.createObjectStore("receipts", { keyPath: "key" }) : change.objectStore("receipts");
        for (const old of receipts.indexNames) receipts.deleteIndex(old);
        receipts.createIndex("due", ["notBeforeMs", "addedMs"]);
      },
      // Another tab wants to change or delete the database, and this connection would block it.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(), // versionchange events come from the database
    });
    return new IdbReceiptStore(db);
  }

  async write(receipts: readonly WaitingReceipt[], gone: readonly string[] = []): Promise<number> {
    const { store, done } = this.#db.transaction("receipts", "readwrite");
    const changes = [...gone.map((key) => store.delete(key)), ...receipts.map((receipt) => store.put(receipt))];
    const [waiting] = await Promise.all([store.count(), ...changes, done]);
    return waiting;
  }

  due(nowMs: number, limit: number): Promise<readonly WaitingReceipt[]> {
    return this.#db.getAllFromIndex("receipts", "due", IDBKeyRange.upperBound([nowMs, Infinity]), limit);
  }

  count(): Promise<number> {
    return this.#db.count("receipts");
  }

  /** Idempotent. */
  close(): void {
    this.#db.close();
  }
}
