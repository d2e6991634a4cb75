// Tiles in IndexedDB, from which a tab that comes back loads. The tiles that were used
// longest ago make room for new ones.
import { type DBSchema, type IDBPDatabase, type IDBPObjectStore, openDB } from "idb";
import type { BudgetedStore } from "./tile-store.ts";

interface TileSchema extends DBSchema {
  /** Bytes by hash. They stand apart from `uses`, so that choosing tiles to drop reads no weights. */
  bytes: { key: string; value: Uint8Array<ArrayBuffer> };
  uses: { key: string; value: { readonly hash: string; readonly size: number; readonly usedAt: number }; indexes: { usedAt: number } };
}

type Writable<Name extends "bytes" | "uses"> = IDBPObjectStore<TileSchema, ("bytes" | "uses")[], Name, "readwrite">;

export interface IdbTileStoreOptions {
  readonly name: string;
  /** The most bytes of tiles that are kept. */
  readonly budgetBytes: number;
  /** Milliseconds since 1970: the order of uses has to outlive the page. */
  readonly now: () => number;
}

const SCHEMA_VERSION = 1;

/**
 * Methods reject with the platform's DOMException if storage is blocked or full. Callers then go on without a store.
 */
export class IdbTileStore implements BudgetedStore {
  readonly #db: IDBPDatabase<TileSchema>;
  readonly #options: IdbTileStoreOptions;
  #budgetBytes: number;
  /** Bytes that may be written before the next count. */
  #roomBytes = 0;
  #sinceCountBytes = 0;

  private constructor(db: IDBPDatabase<TileSchema>, options: IdbTileStoreOptions) {
    this.#db = db;
    this.#options = options;
    this.#budgetBytes = options.budgetBytes;
  }

  static async open(options: IdbTileStoreOptions): Promise<IdbTileStore> {
    const db = await openDB<TileSchema>(options.name, SCHEMA_VERSION, {
      upgrade(fresh) {
        fresh.createObjectStore("bytes");
        fresh.createObjectStore("uses", { keyPath: "hash" }).createIndex("usedAt", "usedAt");
      },
      // Another tab wants to change or delete the database: close it. Later calls reject,
      // and loading goes on without a store.
      // The target of a versionchange event is the database.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    });
    return new IdbTileStore(db, options);
  }

  async get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const transaction = this.#db.transaction(["bytes", "uses"], "readwrite");
    const bytes = await transaction.objectStore("bytes").get(hash);
    if (bytes !== undefined) await transaction.objectStore("uses").put({ hash, size: bytes.byteLength, usedAt: this.#options.now() });
    await transaction.done;
    return bytes;
  }

  async put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (bytes.byteLength > this.#budgetBytes) return;
    // Relaxed: a tile that is lost in a power cut is fetched again, so it is not worth waiting for the disk.
    const transaction = this.#db.transaction(["bytes", "uses"], "readwrite", { durability: "relaxed" });
    // A view would be cloned with the whole buffer behind it: store a copy of the tile alone.
    const alone = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    const stored = transaction.objectStore("bytes");
    const uses = transaction.objectStore("uses");
    await Promise.all([stored.put(alone, hash), uses.put({ hash, size: bytes.byteLength, usedAt: this.#options.now() })]);
    this.#sinceCountBytes += bytes.byteLength;
    // Counting reads every entry, so it waits until half of the room that was free at the
    // last count is used up: other tabs write too.
    if (this.#sinceCountBytes > this.#roomBytes) await this.#evict(stored, uses, hash);
    await transaction.done;
  }

  async setBudget(budgetBytes: number): Promise<void> {
    this.#budgetBytes = budgetBytes;
    const transaction = this.#db.transaction(["bytes", "uses"], "readwrite");
    await this.#evict(transaction.objectStore("bytes"), transaction.objectStore("uses"), undefined);
    await transaction.done;
  }

  /** Drops tiles, longest unused first, until the rest fits. Never drops `spared`. */
  async #evict(stored: Writable<"bytes">, uses: Writable<"uses">, spared: string | undefined): Promise<void> {
    let held = (await uses.getAll()).reduce((sum, use) => sum + use.size, 0);
    for (
      let cursor = await uses.index("usedAt").openCursor();
      cursor !== null && held > this.#budgetBytes;
      cursor = await cursor.continue()
    ) {
      if (cursor.value.hash === spared) continue;
      held -= cursor.value.size;
      await stored.delete(cursor.value.hash);
      await cursor.delete();
    }
    this.#roomBytes = (this.#budgetBytes - held) / 2;
    this.#sinceCountBytes = 0;
  }

  async delete(hash: string): Promise<void> {
    const transaction = this.#db.transaction(["bytes", "uses"], "readwrite");
    await Promise.all([transaction.objectStore("bytes").delete(hash), transaction.objectStore("uses").delete(hash)]);
    await transaction.done;
  }

  /** Closes the database. Idempotent. */
  close(): void {
    this.#db.close();
  }
}
