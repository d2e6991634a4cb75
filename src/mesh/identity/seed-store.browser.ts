// The seeds of this profile's keys in IndexedDB, one for each slot.
import { openDB } from "idb";
import * as v from "valibot";

/** Bytes of an Ed25519 seed. */
export const SEED_BYTES = 32;

const STORE = "seeds";
const Seed = v.pipe(
  v.instance(Uint8Array),
  v.check((seed) => seed.byteLength === SEED_BYTES),
);

export interface SeedStore {
  /**
   * Returns the slot's seed. If there is none, or it is damaged, keeps and returns `fresh()`. The caller holds the
   * slot's lock.
   */
  getOrCreate(slot: number, fresh: () => Uint8Array): Promise<Uint8Array>;
  close(): void;
}

/** Opens the database, and makes it on first use. Rejects if the browser blocks storage. */
export async function openSeedStore(name: string): Promise<SeedStore> {
  const database = await openDB(name, 1, {
    upgrade(created) {
      created.createObjectStore(STORE);
    },
  });
  return {
    getOrCreate: async (slot, fresh) => {
      const stored = v.safeParse(Seed, await database.get(STORE, slot));
      if (stored.success) return stored.output;
      const seed = fresh();
      await database.put(STORE, seed, slot);
      return seed;
    },
    close: () => database.close(),
  };
}
