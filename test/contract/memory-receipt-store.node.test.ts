// The contract over the store in memory.
import { expect, test } from "vitest";
import { MemoryReceiptStore } from "../../src/credit/memory-receipt-store.ts";
import { describeReceiptStore } from "./receipt-store-contract.ts";

describeReceiptStore("MemoryReceiptStore", async () => ({ store: new MemoryReceiptStore(), close: () => Promise.resolve() }));

test("says that nothing outlives the page", () => {
  expect(new MemoryReceiptStore().isKept).toBe(false);
});
