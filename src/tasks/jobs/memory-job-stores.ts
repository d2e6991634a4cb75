// Jobs, results and standings in the memory of this process: for Node, and for browsers that block storage.
import type { TaskId, JobId } from "../../shared/ids.ts";
import type { StandingRow } from "../dispatch/standings.ts";
import type { KeptResult, ResultStore, StandingStore, JobStores, JobStore } from "./job-stores.ts";
import type { JobHead } from "./job.ts";

export class MemoryJobStore implements JobStore {
  readonly isKept = false;
  readonly #jobs = new Map<JobId, { head: JobHead; readonly data: unknown }>();

  async begin(head: JobHead, data: unknown): Promise<void> {
    this.#jobs.set(head.id, { head, data: structuredClone(data) });
  }

  async update(head: JobHead): Promise<void> {
    const job = this.#jobs.get(head.id);
    if (job !== undefined) job.head = head;
  }

  async heads(): Promise<readonly JobHead[]> {
    return [...this.#jobs.values()].map(({ head }) => head).toSorted((a, b) => a.startedMs - b.startedMs);
  }

  async data(job: JobId): Promise<unknown> {
    return this.#jobs.get(job)?.data;
  }

  async forget(job: JobId): Promise<void> {
    this.#jobs.delete(job);
  }
}

export class MemoryResultStore implements ResultStore {
  /** The result used longest ago comes first. */
  readonly #results = new Map<TaskId, KeptResult>();

  async get(ids: readonly TaskId[]): Promise<readonly (KeptResult | undefined)[]> {
    return ids.map((id) => {
      const kept = this.#results.get(id);
      if (kept !== undefined) this.#use(kept);
      return kept;
    });
  }

  async put(results: readonly KeptResult[]): Promise<void> {
    for (const result of results) this.#use(result);
  }

  async trim(maxBytes: number, spared: ReadonlySet<JobId>): Promise<void> {
    let bytes = [...this.#results.values()].reduce((sum, { output }) => sum + output.byteLength, 0);
    for (const { id, work: job, output } of [...this.#results.values()]) {
      if (bytes <= maxBytes) return;
      if (spared.has(job)) continue;
      this.#results.delete(id);
      bytes -= output.byteLength;
    }
  }

  async forget(job: JobId): Promise<void> {
    for (const result of [...this.#results.values()]) if (result.work === job) this.#results.delete(result.id);
  }

  #use(result: KeptResult): void {
    this.#results.delete(result.id);
    this.#results.set(result.id, result);
  }
}

export class MemoryStandingStore implements StandingStore {
  readonly #rows = new Map<string, StandingRow>();

  async all(): Promise<readonly StandingRow[]> {
    return [...this.#rows.values()];
  }

  async put(rows: readonly StandingRow[]): Promise<void> {
    for (const row of rows) this.#rows.set(`${row[0]} ${row[1]}`, row);
  }
}

export const memoryJobStores = (): JobStores => ({
  jobs: new MemoryJobStore(),
  results: new MemoryResultStore(),
  standings: new MemoryStandingStore(),
  close: () => {},
});
