// Seeds of this profile's keys in IndexedDB, one for each slot.
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
  /** The slot's seed; `fresh` is kept where there is none or a damaged one. The caller holds the slot's lock. */
  take(slot: number, fresh: () => Uint8Array): Promise<Uint8Array>;
  close(): void;
}

/** Opens (and makes) the database. Rejects where the browser blocks storage. */
export async function openSeedStore(name: string): Promise<SeedStore> {
  const database = await openDB(name, 1, {
    upgrade(created) {
      created.createObjectStore(STORE);
    },
  });
  return {
    take: async (slot, fresh) => {
      const stored = v.safeParse(Seed, await database.get(STORE, slot));
      if (stored.success) return stored.output;
      const seed = fresh();
      await database.put(STORE, seed, slot);
      return seed;
    },
    close: () => database.close(),
  };
}
