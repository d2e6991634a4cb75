// Jobs and results in this process alone: where a browser blocks storage, and in Node.
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
    const work = this.#jobs.get(head.id);
    if (work !== undefined) work.head = head;
  }

  async heads(): Promise<readonly JobHead[]> {
    return [...this.#jobs.values()].map(({ head }) => head).toSorted((a, b) => a.startedMs - b.startedMs);
  }

  async data(work: JobId): Promise<unknown> {
    return this.#jobs.get(work)?.data;
  }

  async forget(work: JobId): Promise<void> {
    this.#jobs.delete(work);
  }
}

export class MemoryResultStore implements ResultStore {
  /** The one used longest ago comes first. */
  readonly #results = new Map<TaskId, KeptResult>();

  async get(ids: readonly TaskId[]): Promise<readonly (KeptResult | undefined)[]> {
    return ids.map((id) => {
      const kept = this.#results.get(id);
      if (kept !== undefined) this.#move(kept);
      return kept;
    });
  }

  async put(results: readonly KeptResult[]): Promise<void> {
    for (const result of results) this.#move(result);
  }

  async trim(maxBytes: number, spared: ReadonlySet<JobId>): Promise<void> {
    let bytes = [...this.#results.values()].reduce((sum, { output }) => sum + output.byteLength, 0);
    for (const { id, work, output } of [...this.#results.values()]) {
      if (bytes <= maxBytes) return;
      if (spared.has(work)) continue;
      this.#results.delete(id);
      bytes -= output.byteLength;
    }
  }

  async forget(work: JobId): Promise<void> {
    for (const result of [...this.#results.values()]) if (result.work === work) this.#results.delete(result.id);
  }

  #move(result: KeptResult): void {
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
  book: new MemoryJobStore(),
  results: new MemoryResultStore(),
  standings: new MemoryStandingStore(),
  close: () => {},
});
