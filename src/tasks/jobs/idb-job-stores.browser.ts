// Jobs, results and standings in IndexedDB: after a reload open jobs go on, and no part that was settled is computed
// again.
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import { asPeerId, type PeerId, type TaskId, type JobId } from "../../shared/ids.ts";
import type { Standing } from "../../shared/reputation.ts";
import type { StandingRow } from "../dispatch/standings.ts";
import type { KeptResult, ResultStore, StandingStore, JobStores, JobStore } from "./job-stores.ts";
import type { JobHead } from "./job.ts";

/** Rows, stores and indexes keep the names that they have on people's disks, `work` for a job among them. */
interface Use {
  readonly id: TaskId;
  readonly work: JobId;
  readonly sizeBytes: number;
  /** A number that grows with each use of any result. */
  readonly used: number;
}

interface TaskSchema extends DBSchema {
  heads: { key: JobId; value: JobHead };
  data: { key: JobId; value: unknown };
  results: { key: TaskId; value: KeptResult };
  /** Beside the results, so that `trim` reads no outputs. */
  uses: { key: TaskId; value: Use; indexes: { work: JobId; used: number } };
  standings: { key: [PeerId, string]; value: Standing };
}
type Database = IDBPDatabase<TaskSchema>;

/**
 * Opens the database `name`, and makes it if there is none. Rejects with the platform's DOMException if storage is
 * blocked.
 */
export async function openIdbJobStores(name: string): Promise<JobStores> {
  const database = await openDB<TaskSchema>(name, 1, {
    upgrade(fresh) {
      fresh.createObjectStore("heads", { keyPath: "id" });
      fresh.createObjectStore("data");
      fresh.createObjectStore("results", { keyPath: "id" });
      const uses = fresh.createObjectStore("uses", { keyPath: "id" });
      uses.createIndex("work", "work");
      uses.createIndex("used", "used");
      fresh.createObjectStore("standings");
    },
    // Another tab wants to change or delete the database, and cannot as long as this one holds it.
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(), // versionchange events come from the database
  });
  const last = await database.transaction("uses").store.index("used").openCursor(null, "prev");
  return {
    jobs: new IdbJobStore(database),
    results: new IdbResultStore(database, last?.value.used ?? 0),
    standings: new IdbStandingStore(database),
    close: () => database.close(),
  };
}

class IdbJobStore implements JobStore {
  readonly isKept = true;
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async begin(head: JobHead, data: unknown): Promise<void> {
    const transaction = this.#db.transaction(["heads", "data"], "readwrite");
    try {
      const keeping = transaction.objectStore("data").put(data, head.id); // throws at once if the data cannot be kept
      await Promise.all([keeping, transaction.objectStore("heads").put(head), transaction.done]);
    } catch (error) {
      transaction.done.catch(() => {}); // the first error says why
      abort(transaction);
      throw error;
    }
  }

  async update(head: JobHead): Promise<void> {
    const transaction = this.#db.transaction("heads", "readwrite");
    if ((await transaction.store.getKey(head.id)) !== undefined) await transaction.store.put(head);
    await transaction.done;
  }

  async heads(): Promise<readonly JobHead[]> {
    return (await this.#db.getAll("heads")).toSorted((a, b) => a.startedMs - b.startedMs);
  }

  data(job: JobId): Promise<unknown> {
    return this.#db.get("data", job);
  }

  async forget(job: JobId): Promise<void> {
    const transaction = this.#db.transaction(["heads", "data"], "readwrite");
    await Promise.all([transaction.objectStore("heads").delete(job), transaction.objectStore("data").delete(job), transaction.done]);
  }
}

class IdbResultStore implements ResultStore {
  readonly #db: Database;
  #used: number;

  constructor(db: Database, used: number) {
    this.#db = db;
    this.#used = used;
  }

  async get(ids: readonly TaskId[]): Promise<readonly (KeptResult | undefined)[]> {
    const transaction = this.#db.transaction("results");
    const found = await Promise.all(ids.map((id) => transaction.store.get(id)));
    const used = found.filter((result) => result !== undefined);
    if (used.length > 0) await this.#noteUse(used);
    return found;
  }

  async put(results: readonly KeptResult[]): Promise<void> {
    const transaction = this.#db.transaction(["results", "uses"], "readwrite", { durability: "relaxed" });
    const puts = results.flatMap((result) => [
      transaction.objectStore("results").put(result),
      transaction.objectStore("uses").put(this.#useOf(result)),
    ]);
    transaction.commit(); // otherwise a page that goes away before the requests succeed loses them
    await Promise.all([...puts, transaction.done]);
  }

  async trim(maxBytes: number, spared: ReadonlySet<JobId>): Promise<void> {
    const uses = await this.#db.getAllFromIndex("uses", "used");
    let bytes = uses.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const drop: TaskId[] = [];
    for (const { id, work: job, sizeBytes } of uses) {
      if (bytes <= maxBytes) break;
      if (spared.has(job)) continue;
      drop.push(id);
      bytes -= sizeBytes;
    }
    await this.#drop(drop);
  }

  async forget(job: JobId): Promise<void> {
    await this.#drop(await this.#db.getAllKeysFromIndex("uses", "work", job));
  }

  #useOf({ id, work, output }: KeptResult): Use {
    return { id, work, sizeBytes: output.byteLength, used: ++this.#used };
  }

  async #noteUse(results: readonly KeptResult[]): Promise<void> {
    const transaction = this.#db.transaction("uses", "readwrite", { durability: "relaxed" });
    await Promise.all([...results.map((result) => transaction.store.put(this.#useOf(result))), transaction.done]);
  }

  async #drop(ids: readonly TaskId[]): Promise<void> {
    if (ids.length === 0) return;
    const transaction = this.#db.transaction(["results", "uses"], "readwrite", { durability: "relaxed" });
    const deletes = ids.flatMap((id) => [transaction.objectStore("results").delete(id), transaction.objectStore("uses").delete(id)]);
    await Promise.all([...deletes, transaction.done]);
  }
}

class IdbStandingStore implements StandingStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async all(): Promise<readonly StandingRow[]> {
    const { store } = this.#db.transaction("standings");
    const [keys, values] = await Promise.all([store.getAllKeys(), store.getAll()]);
    return keys.flatMap(([peer, kind], at): StandingRow[] => {
      const standing = values[at];
      return standing === undefined ? [] : [[asPeerId(peer), kind, standing]];
    });
  }

  async put(rows: readonly StandingRow[]): Promise<void> {
    const transaction = this.#db.transaction("standings", "readwrite", { durability: "relaxed" });
    await Promise.all([...rows.map(([peer, kind, standing]) => transaction.store.put(standing, [peer, kind])), transaction.done]);
  }
}

function abort(transaction: { abort(): void }): void {
  try {
    transaction.abort();
  } catch {
    // it has ended already
  }
}
