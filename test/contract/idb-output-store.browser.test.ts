// The contract of output stores over IndexedDB, and what only a disk can show: outputs do not outlive their page.
import { expect, it } from "vitest";
import { openIdbOutputStore } from "../../src/inference/log/idb-output-store.browser.ts";
import { asSessionId } from "../../src/shared/ids.ts";
import { outputStoreContract } from "./output-store-contract.ts";

outputStoreContract(
  "IdbOutputStore",
  () => openIdbOutputStore("outputs of a test"),
  (store) => store.close(),
);

it("an IdbOutputStore that is opened again is empty", async () => {
  const session = asSessionId("3".repeat(32));
  const before = await openIdbOutputStore("outputs of an earlier page");
  await before.put(session, 0, Uint8Array.of(1));
  before.close();
  const after = await openIdbOutputStore("outputs of an earlier page");
  expect(await after.get(session, 0)).toBeUndefined();
  after.close();
});
