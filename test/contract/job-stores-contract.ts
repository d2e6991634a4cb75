// The contract of every store of jobs, results and standings.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asPeerId, asTaskId, asJobId } from "../../src/shared/ids.ts";
import { loadKinds } from "../../src/tasks/kinds/find-kind.ts";
import { planJob } from "../../src/tasks/jobs/plan-job.ts";
import type { KeptResult, JobStores } from "../../src/tasks/jobs/job-stores.ts";
import type { JobHead } from "../../src/tasks/jobs/job.ts";

const KINDS = await loadKinds(["sum"]);
const jobId = (number: number) => asJobId(String(number).padStart(32, "0"));
const head = (number: number, more: Partial<JobHead> = {}): JobHead => ({
  ...planJob(
    { kind: "sum", label: "a sum", data: { wholes: [1n, 2n] } },
    { id: jobId(number), owner: asPeerId("12D3KooWme"), nowMs: 1000 + number, kinds: KINDS },
  ).head,
  ...more,
});
const result = (number: number, sizeBytes = 10, of = 1): KeptResult => ({
  id: asTaskId(`task-${number}`),
  work: jobId(of),
  output: new Uint8Array(sizeBytes).fill(number),
  verdict: "quorum",
  peers: ["one", "two"],
});

/** `open` returns empty stores. */
export function jobStoresContract(name: string, open: () => Promise<JobStores>): void {
  describe(name, () => {
    let stores: JobStores;
    beforeEach(async () => {
      stores = await open();
    });
    afterEach(() => stores.close());
    const kept = async (...numbers: readonly number[]): Promise<readonly boolean[]> =>
      (await stores.results.get(numbers.map((number) => asTaskId(`task-${number}`)))).map((found) => found !== undefined);

    it("returns the heads of jobs and their data as they were kept, oldest first", async () => {
      const data = { wholes: [1n, -(2n ** 70n)], bytes: Uint8Array.of(1, 2), deep: [{ a: Number.NaN }] };
      await stores.jobs.begin(head(2), data);
      await stores.jobs.begin(head(1), undefined);
      expect(await stores.jobs.heads()).toEqual([head(1), head(2)]);
      expect(await stores.jobs.data(jobId(2))).toEqual(data);
      expect(await stores.jobs.data(jobId(3))).toBeUndefined();
    });

    it("keeps the data as it was when the job began, whatever its owner does to it afterwards", async () => {
      const data = { floats: [1, 2] };
      await stores.jobs.begin(head(1), data);
      data.floats.push(3);
      expect(await stores.jobs.data(jobId(1))).toEqual({ floats: [1, 2] });
    });

    it("keeps nothing of a job whose data cannot be kept", async () => {
      await expect(stores.jobs.begin(head(1), { run: () => 1 })).rejects.toThrow();
      expect(await stores.jobs.heads()).toEqual([]);
    });

    it("overwrites the head of a job that is kept, but not of one that was forgotten", async () => {
      await stores.jobs.begin(head(1), "data");
      await stores.jobs.update(head(1, { state: "done", done: 3 }));
      expect(await stores.jobs.heads()).toMatchObject([{ state: "done", done: 3 }]);
      await stores.jobs.forget(jobId(1));
      await stores.jobs.update(head(1));
      expect(await stores.jobs.heads()).toEqual([]);
      expect(await stores.jobs.data(jobId(1))).toBeUndefined();
    });

    it("returns results in the order of the ids, and undefined for those that it does not have", async () => {
      await stores.results.put([result(1), result(2)]);
      expect(await stores.results.get(["task-2", "task-9", "task-1"].map(asTaskId))).toEqual([result(2), undefined, result(1)]);
      await stores.results.put([{ ...result(1), output: Uint8Array.of(7) }]);
      expect((await stores.results.get([asTaskId("task-1")]))[0]?.output).toEqual(Uint8Array.of(7));
    });

    it("drops the results used longest ago to make room, but none of jobs that are spared", async () => {
      await stores.results.put([result(1, 100, 1), result(2, 100, 2), result(3, 100, 2), result(4, 100, 2)]);
      await kept(2); // this counts as use
      await stores.results.trim(300, new Set([jobId(1)]));
      expect(await kept(1, 2, 3, 4)).toEqual([true, true, false, true]);
      await stores.results.trim(0, new Set([jobId(1)]));
      expect(await kept(1, 2, 4)).toEqual([true, false, false]);
    });

    it("forgets the results of one job, and of no other", async () => {
      await stores.results.put([result(1, 10, 1), result(2, 10, 2)]);
      await stores.results.forget(jobId(1));
      expect(await kept(1, 2)).toEqual([false, true]);
    });

    it("keeps the standing of each peer at each kind", async () => {
      const standing = { streak: 3, agreed: 4, wrong: 0, faults: 1, atMs: 5 };
      const [one, two] = [asPeerId("12D3KooWone"), asPeerId("12D3KooWtwo")];
      await stores.standings.put([
        [one, "sum", standing],
        [one, "hash", { ...standing, streak: 0 }],
      ]);
      await stores.standings.put([
        [one, "sum", { ...standing, streak: 9 }],
        [two, "sum", standing],
      ]);
      const rows = await stores.standings.all();
      expect(rows.toSorted((a, b) => (`${a[0]} ${a[1]}` < `${b[0]} ${b[1]}` ? -1 : 1))).toEqual([
        [one, "hash", { ...standing, streak: 0 }],
        [one, "sum", { ...standing, streak: 9 }],
        [two, "sum", standing],
      ]);
    });
  });
}
