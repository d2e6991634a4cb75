// The contract of every store of waiting receipts: one suite, which runs over memory and IndexedDB.
import { describe, expect, test } from "vitest";
import type { ReceiptStore, WaitingReceipt } from "../../src/credit/receipt-store.ts";

const receipt = (key: string, addedMs: number, notBeforeMs = 0): WaitingReceipt => ({
  key,
  bytes: Uint8Array.of(1, 2, 3),
  addedMs,
  tries: 0,
  notBeforeMs,
});

/** Declares the suite. `open` makes an empty store. */
export function describeReceiptStore(
  name: string,
  open: () => Promise<{ readonly store: ReceiptStore; readonly close: () => Promise<void> }>,
): void {
  describe(`receipt store contract: ${name}`, () => {
    test("due receipts come oldest first, up to the limit, and a postponed one waits its time and comes last", async () => {
      const { store, close } = await open();
      expect(await store.write([receipt("c", 3), receipt("a", 1), receipt("later", 0, 100), receipt("b", 2)])).toBe(4);
      expect((await store.due(50, 10)).map(({ key }) => key)).toEqual(["a", "b", "c"]);
      expect((await store.due(50, 2)).map(({ key }) => key)).toEqual(["a", "b"]);
      expect((await store.due(100, 10)).map(({ key }) => key)).toEqual(["a", "b", "c", "later"]);
      expect(await store.count()).toBe(4);
      await close();
    });

    test("a receipt that is written twice is kept once, as it was written last", async () => {
      const { store, close } = await open();
      await store.write([receipt("a", 1)]);
      expect(await store.write([{ ...receipt("a", 1), tries: 4 }])).toBe(1);
      expect(await store.due(0, 10)).toEqual([{ ...receipt("a", 1), tries: 4 }]);
      await close();
    });

    test("a removed receipt is gone, and to remove one that is not there does no harm", async () => {
      const { store, close } = await open();
      await store.write([receipt("a", 1), receipt("b", 2)]);
      expect(await store.write([receipt("c", 3)], ["a", "nothing"])).toBe(2);
      expect((await store.due(0, 10)).map(({ key }) => key)).toEqual(["b", "c"]);
      expect(await store.write([], ["c"])).toBe(1);
      expect(await store.count()).toBe(1);
      await close();
    });
  });
}
