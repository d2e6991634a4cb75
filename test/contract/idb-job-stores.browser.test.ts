// The stores of jobs in IndexedDB keep their contract, and what they hold outlives the page.
import { expect, it } from "vitest";
import { asPeerId, asTaskId, asJobId } from "../../src/shared/ids.ts";
import { openIdbJobStores } from "../../src/tasks/jobs/idb-job-stores.browser.ts";
import { jobStoresContract } from "./job-stores-contract.ts";

let count = 0;
jobStoresContract("IdbJobStores", () => openIdbJobStores(`tasks of test ${count++} at ${Date.now()}`));

it("IdbJobStores that are opened again hold what they held, and know which result was used last", async () => {
  const name = `tasks of an earlier page at ${Date.now()}`;
  const [id, older] = [asTaskId("task"), asTaskId("older task")];
  const entry = { work: asJobId("0".repeat(32)), output: Uint8Array.of(1), verdict: "unchecked", peers: [] } as const;
  const before = await openIdbJobStores(name);
  await before.results.put([{ ...entry, id: older }]);
  await before.results.put([{ ...entry, id }]);
  await before.standings.put([[asPeerId("12D3KooWone"), "sum", { streak: 1, agreed: 1, wrong: 0, faults: 0, atMs: 0 }]]);
  before.close();
  const after = await openIdbJobStores(name);
  expect(await after.results.get([id])).toEqual([{ ...entry, id }]);
  expect(await after.standings.all()).toHaveLength(1);
  await after.results.trim(1, new Set());
  expect((await after.results.get([older, id])).map((found) => found?.id)).toEqual([undefined, id]);
  after.close();
});
