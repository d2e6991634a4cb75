// The contract over real IndexedDB, and a property that only a disk has: tiles outlive the page that stored them.
import { deleteDB } from "idb";
import { expect, test } from "vitest";
import { IdbTileStore } from "../../../../src/model/tiles/idb-tile-store.browser.ts";
import { tileStoreContract } from "./tile-store-contract.ts";

let count = 0;
/** Moments one after the other, however coarse the browser's clock is. */
const counter = (): (() => number) => {
  let moment = 0;
  return () => ++moment;
};

tileStoreContract("IdbTileStore", async (budgetBytes) => {
  const name = `tiles-${count++}`;
  const store = await IdbTileStore.open({ name, budgetBytes, now: counter() });
  return {
    store,
    close: async () => {
      store.close();
      await deleteDB(name);
    },
  };
});

test("tiles are there after the database was closed and opened again", async () => {
  const options = { name: "tiles-reopened", budgetBytes: 1000, now: counter() };
  const first = await IdbTileStore.open(options);
  await first.put("a", Uint8Array.of(1, 2, 3));
  first.close();
  const second = await IdbTileStore.open(options);
  expect(await second.get("a")).toEqual(Uint8Array.of(1, 2, 3));
  second.close();
  await deleteDB(options.name);
});

test("closes a database that another tab deletes, and rejects from then on", async () => {
  const options = { name: "tiles-deleted", budgetBytes: 1000, now: counter() };
  const store = await IdbTileStore.open(options);
  await deleteDB(options.name);
  await expect(store.get("a")).rejects.toBeInstanceOf(DOMException);
});
