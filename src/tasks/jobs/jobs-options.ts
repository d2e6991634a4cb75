// What a desk of jobs is given: where tasks are computed, where things are kept, and how credit is set aside.
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { ResultStore, JobStore } from "./job-stores.ts";
import type { JobView } from "./job.ts";

/** Where tasks are computed; `take` says that there is work until the answered function is called. */
export interface TaskPool {
  readonly dispatcher: Dispatcher;
  take(): () => void;
}

/** Credit set aside for a work; to be released when the work is over. */
export interface Reservation {
  readonly id: string;
  release(): Promise<void>;
}

export interface JobsDeps {
  readonly self: PeerId;
  readonly pool: TaskPool;
  readonly book: JobStore;
  readonly results: ResultStore;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Fills the array with fresh random bytes. */
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;
  /** Sets microcredits aside. Throws BAD_INPUT where there is not enough, or LEDGER_UNAVAILABLE. Without it no reward is paid. */
  readonly reserve?: (micro: number, forMs: number) => Promise<Reservation>;
  readonly log: Log;
  /** The list has changed; newest first. */
  readonly onChange: (jobs: readonly JobView[], urgency: "frame" | "counts") => void;
}
