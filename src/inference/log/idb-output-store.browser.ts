// Outputs that exceed a span's share of memory, in IndexedDB. Logs of an earlier page are of no use, so opening forgets
// them.
import { openDB } from "idb";
import type { OutputStore } from "./output-store.ts";

const STORE = "outputs";

/** Opens, or makes, the database `name`, which only this page uses. Rejects if the browser blocks storage. */
export async function openIdbOutputStore(name: string): Promise<OutputStore & { close(): void }> {
  const database = await openDB(name, 1, {
    upgrade(created) {
      created.createObjectStore(STORE);
    },
  });
  await database.clear(STORE);
  return {
    put: async (session, index, bytes) => {
      await database.put(STORE, bytes, [session, index]);
    },
    get: async (session, index) => {
      const stored: unknown = await database.get(STORE, [session, index]);
      return stored instanceof Uint8Array ? new Uint8Array(stored) : undefined;
    },
    drop: (session, fromIndex) => database.delete(STORE, IDBKeyRange.bound([session, fromIndex], [session, []], false, true)),
    close: () => database.close(),
  };
}
