// Ports: the jobs that were asked for, the results that were settled, and the standings of peers, kept between visits.
import type { TaskId, JobId } from "../../shared/ids.ts";
import type { StandingRow } from "../dispatch/standings.ts";
import type { Settled } from "../dispatch/task-record.ts";
import type { Bytes } from "../task-kind.ts";
import type { JobHead } from "./job.ts";

/** Every method may reject with the platform's error where storage is blocked or full. */
export interface JobStore {
  /** Whether jobs outlive this page. */
  readonly isKept: boolean;
  /** Keeps a new work: its data is kept as it is, whole or not at all. */
  begin(head: JobHead, data: unknown): Promise<void>;
  /** Overwrites the head of a work that is kept; one that was forgotten stays so. */
  update(head: JobHead): Promise<void>;
  /** All heads, oldest first. */
  heads(): Promise<readonly JobHead[]>;
  /** Undefined where the work is not kept. */
  data(work: JobId): Promise<unknown>;
  forget(work: JobId): Promise<void>;
}

/** A settled task, by the CID that it is known by everywhere. */
export interface KeptResult {
  readonly id: TaskId;
  /** The work for which it was computed first. */
  readonly work: JobId;
  readonly output: Bytes;
  readonly verdict: Settled["verdict"];
  /** Peers that agreed on it. */
  readonly peers: readonly string[];
}

/** Every method may reject with the platform's error where storage is blocked or full. */
export interface ResultStore {
  /** In the order of the ids; undefined for those that are not kept. Counts as use. */
  get(ids: readonly TaskId[]): Promise<readonly (KeptResult | undefined)[]>;
  /** Keeps them, in place of what was kept by the same ids. */
  put(results: readonly KeptResult[]): Promise<void>;
  /** Drops what was used longest ago until no more than `maxBytes` of output is kept; spares results of the jobs in `spared`. */
  trim(maxBytes: number, spared: ReadonlySet<JobId>): Promise<void>;
  /** Forgets the results that were computed for `work`. */
  forget(work: JobId): Promise<void>;
}

/** What this tab learned of peers. Every method may reject with the platform's error where storage is blocked or full. */
export interface StandingStore {
  all(): Promise<readonly StandingRow[]>;
  /** In place of what was kept of the same peers and kinds. */
  put(rows: readonly StandingRow[]): Promise<void>;
}

export interface JobStores {
  readonly book: JobStore;
  readonly results: ResultStore;
  readonly standings: StandingStore;
  /** Idempotent. */
  close(): void;
}
