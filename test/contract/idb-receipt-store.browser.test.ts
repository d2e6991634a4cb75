// The contract of receipt stores over real IndexedDB, and what only a disk can show: receipts outlive their page.
import { deleteDB, openDB } from "idb";
import { expect, test } from "vitest";
import { IdbReceiptStore } from "../../src/credit/idb-receipt-store.browser.ts";
import { describeReceiptStore } from "./receipt-store-contract.ts";

let count = 0;
describeReceiptStore("IdbReceiptStore", async () => {
  const name = `receipts-${count++}`;
  const store = await IdbReceiptStore.open(name);
  return {
    store,
    close: async () => {
      store.close();
      await deleteDB(name);
    },
  };
});

test("receipts are still there after the database was closed and opened again", async () => {
  const receipt = { key: "a", bytes: Uint8Array.of(1), addedMs: 1, tries: 0, notBeforeMs: 0 };
  const first = await IdbReceiptStore.open("receipts-reopened");
  await first.write([receipt]);
  first.close();
  const second = await IdbReceiptStore.open("receipts-reopened");
  expect(second.isKept).toBe(true);
  expect(await second.due(0, 10)).toEqual([receipt]);
  second.close();
  await deleteDB("receipts-reopened");
});

test("receipts from an older version of the page are found", async () => {
  const receipt = { key: "a", bytes: Uint8Array.of(1), addedMs: 1, tries: 2, notBeforeMs: 5 };
  const old = await openDB("receipts-old", 1, {
    upgrade: (db) => void db.createObjectStore("receipts", { keyPath: "key" }).createIndex("addedMs", "addedMs"),
  });
  await old.put("receipts", receipt);
  old.close();
  const store = await IdbReceiptStore.open("receipts-old");
  expect(await store.due(4, 10)).toEqual([]);
  expect(await store.due(5, 10)).toEqual([receipt]);
  store.close();
  await deleteDB("receipts-old");
});
