// The contract of receipt stores over the one in memory.
import { expect, test } from "vitest";
import { MemoryReceiptStore } from "../../src/credit/memory-receipt-store.ts";
import { describeReceiptStore } from "./receipt-store-contract.ts";

describeReceiptStore("MemoryReceiptStore", async () => ({ store: new MemoryReceiptStore(), close: () => Promise.resolve() }));

test("a store in memory says that its receipts do not outlive the page", () => {
  expect(new MemoryReceiptStore().isKept).toBe(false);
});
