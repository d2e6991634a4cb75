// Ports: the jobs that were handed over, the results that were settled, and the standings of peers, kept between
// visits.
import type { TaskId, JobId } from "../../shared/ids.ts";
import type { StandingRow } from "../dispatch/standings.ts";
import type { Settled } from "../dispatch/task-record.ts";
import type { Bytes } from "../task-kind.ts";
import type { JobHead } from "./job.ts";

/** Every method may reject with the platform's error if storage is blocked or full. */
export interface JobStore {
  /** Whether jobs outlive this page. */
  readonly isKept: boolean;
  /** Keeps a new job and its data as they are now: both, or neither. */
  begin(head: JobHead, data: unknown): Promise<void>;
  /** Overwrites the head of a job that is kept. Does nothing for a job that was forgotten. */
  update(head: JobHead): Promise<void>;
  /** All heads, oldest first. */
  heads(): Promise<readonly JobHead[]>;
  /** Undefined if the job is not kept. */
  data(job: JobId): Promise<unknown>;
  forget(job: JobId): Promise<void>;
}

/** A settled task, by its CID. */
export interface KeptResult {
  readonly id: TaskId;
  /** The job for which it was computed first. The field keeps its name: it is on people's disks. */
  readonly work: JobId;
  readonly output: Bytes;
  readonly verdict: Settled["verdict"];
  /** Peers that agreed on the output. */
  readonly peers: readonly string[];
}

/** Every method may reject with the platform's error if storage is blocked or full. */
export interface ResultStore {
  /** In the order of the ids; undefined for those that are not kept. Counts as use. */
  get(ids: readonly TaskId[]): Promise<readonly (KeptResult | undefined)[]>;
  /** Keeps results, in place of those with the same ids. */
  put(results: readonly KeptResult[]): Promise<void>;
  /**
   * Drops the results used longest ago until at most `maxBytes` of output are kept. Spares results of the jobs in
   * `spared`.
   */
  trim(maxBytes: number, spared: ReadonlySet<JobId>): Promise<void>;
  /** Forgets the results that were computed for `job`. */
  forget(job: JobId): Promise<void>;
}

/** What this tab learned of peers. Every method may reject with the platform's error if storage is blocked or full. */
export interface StandingStore {
  all(): Promise<readonly StandingRow[]>;
  /** In place of the rows with the same peers and kinds. */
  put(rows: readonly StandingRow[]): Promise<void>;
}

export interface JobStores {
  readonly jobs: JobStore;
  readonly results: ResultStore;
  readonly standings: StandingStore;
  /** Idempotent. */
  close(): void;
}
