// The store as a tab uses it: it reports a full disk once and survives it, and it notifies of new tiles.
import { expect, test } from "vitest";
import { TabTileStore } from "../../../../src/model/tiles/tab-tile-store.ts";
import { MemoryTileStore } from "../../../../src/model/tiles/memory-tile-store.ts";
import { silentLog } from "../../../../src/shared/log.ts";

class FullStore extends MemoryTileStore {
  isFull = false;
  reads = 0;
  override put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.isFull ? Promise.reject(new DOMException("no room", "QuotaExceededError")) : super.put(hash, bytes);
  }
  override get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.reads++;
    return super.get(hash);
  }
}

function make() {
  const store = new FullStore({ budgetBytes: 1000 });
  const gained: string[] = [];
  let full = 0;
  const kept = new TabTileStore({ store, onGained: (hash) => gained.push(hash), onFull: () => full++, log: silentLog });
  return { store, kept, gained, full: () => full };
}

test("reports a full disk once, throws nothing, and still returns the tiles that are there", async () => {
  const { store, kept, gained, full } = make();
  await kept.put("a", Uint8Array.of(1));
  store.isFull = true;
  await kept.put("b", Uint8Array.of(2));
  await kept.put("c", Uint8Array.of(3));
  expect(full()).toBe(1);
  expect(gained).toEqual(["a"]);
  expect(await kept.get("a")).toEqual(Uint8Array.of(1));
  expect(await kept.get("b")).toBeUndefined();
  store.isFull = false;
  await kept.setBudget(10);
  await kept.put("d", Uint8Array.of(4));
  expect(gained).toEqual(["a", "d"]);
});

test("looks up a missing tile once, until it is stored", async () => {
  const { store, kept } = make();
  for (let times = 0; times < 5; times++) expect(await kept.get("a")).toBeUndefined();
  expect(store.reads).toBe(1);
  await kept.put("a", Uint8Array.of(1));
  expect(await kept.get("a")).toEqual(Uint8Array.of(1));
});

test("passes on other failures of the store", async () => {
  const { store, kept } = make();
  store.put = () => Promise.reject(new Error("broken"));
  await expect(kept.put("a", Uint8Array.of(1))).rejects.toThrow("broken");
});
