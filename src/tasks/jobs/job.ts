// A job, which a person or program hands over as a whole: as it is requested, as it is kept between visits, and as a
// page shows it.
import type { Task, TaskLimits } from "../../protocol/task-frames.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { PeerId, JobId } from "../../shared/ids.ts";
import type { TaskDataByKind, TaskKindName } from "../kinds/kind-list.ts";

/** How a job is to be done. */
export interface JobTerms {
  /** Credits offered for the whole job, shared evenly by its parts; 0 by default. */
  readonly reward?: number;
  /** Higher goes first; 0 by default. */
  readonly priority?: number;
  /** Milliseconds from now after which the job fails with TIMEOUT. They pass while the page is closed, too. */
  readonly deadlineMs?: number;
  /**
   * Limits of each part. By default: 5 minutes in total, 30 seconds without progress, 256 MiB of memory, 4 MiB of
   * output.
   */
  readonly limits?: Partial<TaskLimits>;
  /** How many equal results settle a part that is checked, and how many may be asked for; 2 of 5 by default. */
  readonly replication?: Task["replication"];
  /** Whether this tab computes parts, too; true by default. */
  readonly own?: boolean;
}

/** What is to be computed, and how. */
export interface TaskRequest<Kind extends TaskKindName = TaskKindName> extends JobTerms {
  readonly kind: Kind;
  /** Plain data that the browser can keep: nothing in it is a function. */
  readonly data: TaskDataByKind[Kind];
  /** For a list of jobs; the name of the kind by default. */
  readonly label?: string;
}

/** An id that remembers the kind of its job, and so the type of its value. */
export type JobIdOf<Kind extends TaskKindName> = JobId & { readonly "~kind"?: Kind };

export type JobState =
  /** No peer computes it now: all are busy, or there are none. */
  | "waiting"
  | "running"
  | "done"
  | "failed"
  /** By the requester. */
  | "stopped";

/** A job as a page shows it. */
export interface JobView {
  readonly id: JobId;
  readonly kind: TaskKindName;
  readonly label: string;
  /** Milliseconds since 1970; `endedMs` is undefined while the job goes on. */
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  /**
   * The parts of the job; those that are settled; of these, those whose result was kept here, and those settled by two
   * equal results or more.
   */
  readonly parts: number;
  readonly done: number;
  readonly cached: number;
  readonly checked: number;
  /** Parts that a peer has now. */
  readonly computing: number;
  /** Peers that gave a part of the result. */
  readonly peers: number;
  readonly state: JobState;
  readonly problem: { readonly code: ErrorCode; readonly message: string } | undefined;
  /** Results that were found to be wrong, and were computed again. */
  readonly wrong: number;
}

/** What is kept of a job, beside its data. */
export interface JobHead {
  readonly id: JobId;
  /** The tab that requested the job: no other tab of the browser resumes it. */
  readonly owner: PeerId;
  readonly kind: TaskKindName;
  readonly label: string;
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  /** Milliseconds since 1970 after which the job fails; Infinity if it has no deadline. */
  readonly untilMs: number;
  /** Microcredits for each part. */
  readonly rewardMicro: number;
  readonly priority: number;
  readonly limits: Partial<TaskLimits>;
  readonly replication: Task["replication"];
  readonly own: boolean;
  readonly parts: number;
  readonly done: number;
  readonly cached: number;
  readonly checked: number;
  readonly peers: number;
  readonly wrong: number;
  /** `open`: to be resumed after a reload. */
  readonly state: "open" | "done" | "failed" | "stopped";
  readonly problem: JobView["problem"];
}

/** A kept job as a page shows it; `computing`: parts that a peer has now. */
export function headView(head: JobHead, computing = 0): JobView {
  const { id, kind, label, startedMs, endedMs, parts, done, cached, checked, peers, problem, wrong } = head;
  const state = head.state !== "open" ? head.state : computing > 0 ? "running" : "waiting";
  return { id, kind, label, startedMs, endedMs, parts, done, cached, checked, computing, peers, state, problem, wrong };
}
