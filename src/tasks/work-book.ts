// Ports: the works that were asked for, the results that were settled, and the standings of peers, kept between visits.
import type { TaskId, WorkId } from "../shared/ids.ts";
import type { StandingRow } from "./standings.ts";
import type { Settled } from "./task-record.ts";
import type { Bytes } from "./task-kind.ts";
import type { WorkHead } from "./work.ts";

/** Every method may reject with the platform's error where storage is blocked or full. */
export interface WorkBook {
  /** Whether works outlive this page. */
  readonly isKept: boolean;
  /** Keeps a new work: its data is kept as it is, whole or not at all. */
  begin(head: WorkHead, data: unknown): Promise<void>;
  /** Overwrites the head of a work that is kept; one that was forgotten stays so. */
  update(head: WorkHead): Promise<void>;
  /** All heads, oldest first. */
  heads(): Promise<readonly WorkHead[]>;
  /** Undefined where the work is not kept. */
  data(work: WorkId): Promise<unknown>;
  forget(work: WorkId): Promise<void>;
}

/** A settled task, by the CID that it is known by everywhere. */
export interface KeptResult {
  readonly id: TaskId;
  /** The work for which it was computed first. */
  readonly work: WorkId;
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
  /** Drops what was used longest ago until no more than `maxBytes` of output is kept; spares results of the works in `spared`. */
  trim(maxBytes: number, spared: ReadonlySet<WorkId>): Promise<void>;
  /** Forgets the results that were computed for `work`. */
  forget(work: WorkId): Promise<void>;
}

/** What this tab learned of peers. Every method may reject with the platform's error where storage is blocked or full. */
export interface StandingStore {
  all(): Promise<readonly StandingRow[]>;
  /** In place of what was kept of the same peers and kinds. */
  put(rows: readonly StandingRow[]): Promise<void>;
}

export interface TaskStores {
  readonly book: WorkBook;
  readonly results: ResultStore;
  readonly standings: StandingStore;
  /** Idempotent. */
  close(): void;
}
