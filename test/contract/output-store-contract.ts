// The contract of every store of logged outputs: one suite, which runs over memory and IndexedDB.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OutputStore } from "../../src/inference/log/output-store.ts";
import { asSessionId } from "../../src/shared/ids.ts";

const ONE = asSessionId("1".repeat(32));
const TWO = asSessionId("2".repeat(32));

/** Declares the suite. `open` makes an empty store, and `close` closes it after each test. */
export function outputStoreContract<Store extends OutputStore>(
  name: string,
  open: () => Promise<Store>,
  close: (store: Store) => void,
): void {
  describe(name, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => close(store));
    const has = async (session: typeof ONE, indexes: readonly number[]): Promise<readonly number[]> => {
      const found = [];
      for (const index of indexes) if ((await store.get(session, index)) !== undefined) found.push(index);
      return found;
    };

    it("returns an output by its session and index", async () => {
      await store.put(ONE, 3, Uint8Array.of(1, 2, 3));
      await store.put(TWO, 3, Uint8Array.of(4));
      expect([...((await store.get(ONE, 3)) ?? [])]).toEqual([1, 2, 3]);
      expect([...((await store.get(TWO, 3)) ?? [])]).toEqual([4]);
      expect(await store.get(ONE, 4)).toBeUndefined();
    });

    it("drops a session's outputs from an index on, and no other session's", async () => {
      for (const index of [0, 1, 2, 11]) {
        await store.put(ONE, index, Uint8Array.of(index));
        await store.put(TWO, index, Uint8Array.of(index));
      }
      await store.drop(ONE, 2);
      expect(await has(ONE, [0, 1, 2, 11])).toEqual([0, 1]);
      await store.drop(ONE, 0);
      expect(await has(ONE, [0, 1, 2, 11])).toEqual([]);
      expect(await has(TWO, [0, 1, 2, 11])).toEqual([0, 1, 2, 11]);
    });
  });
}
