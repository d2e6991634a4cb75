// A work: what somebody asked for as a whole, as it is asked for, as it is kept between visits, and as a page shows it.
import type { Task, TaskLimits } from "../../protocol/task-frames.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { PeerId, JobId } from "../../shared/ids.ts";
import type { TaskDataByKind, TaskKindName } from "../kinds/kind-list.ts";

/** How a work is to be done. */
export interface JobTerms {
  /** Credits offered in all, shared evenly by the parts; 0 by default. */
  readonly reward?: number;
  /** Higher goes first; 0 by default. */
  readonly priority?: number;
  /** Milliseconds from now after which the work fails with TIMEOUT; goes on counting while the page is closed. */
  readonly deadlineMs?: number;
  /** Of each part; what is left out is what `part-task.ts` says. */
  readonly limits?: Partial<TaskLimits>;
  /** Equal results that settle a part that is checked, and how many may be asked for; 2 of 5 by default. */
  readonly replication?: Task["replication"];
  /** Whether this tab computes parts too; true by default. */
  readonly own?: boolean;
}

/** One kind of work and how it is to be done. */
export interface TaskRequest<Kind extends TaskKindName = TaskKindName> extends JobTerms {
  readonly kind: Kind;
  /** Plain data that the browser can keep: nothing in it is a function. */
  readonly data: TaskDataByKind[Kind];
  /** For a list of jobs; what the kind is called by default. */
  readonly label?: string;
}

/** An id that remembers what its value will be. */
export type JobIdOf<Kind extends TaskKindName> = JobId & { readonly "~kind"?: Kind };

export type JobState =
  /** Nobody computes it now: everybody is busy, or nobody is there. */
  | "waiting"
  | "running"
  | "done"
  | "failed"
  /** By whoever asked for it. */
  | "stopped";

/** A work as a page shows it. */
export interface JobView {
  readonly id: JobId;
  readonly kind: TaskKindName;
  readonly label: string;
  /** Milliseconds since 1970; `endedMs` undefined while it goes on. */
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  /** Parts that it was cut into; settled ones; those of them whose result was here already; those settled by two equal results or more. */
  readonly parts: number;
  readonly done: number;
  readonly cached: number;
  readonly checked: number;
  /** Parts that somebody has now. */
  readonly computing: number;
  /** Who gave a part of the result. */
  readonly peers: number;
  readonly state: JobState;
  readonly problem: { readonly code: ErrorCode; readonly message: string } | undefined;
  /** Results that were found to be wrong, and computed again. */
  readonly wrong: number;
}

/** What is kept of a work, beside its data. */
export interface JobHead {
  readonly id: JobId;
  /** The tab that asked for it: another one of the same browser does not take it up. */
  readonly owner: PeerId;
  readonly kind: TaskKindName;
  readonly label: string;
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  /** Milliseconds since 1970 after which it fails; Infinity where there is no such time. */
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
  /** `open`: to be gone on with after a reload. */
  readonly state: "open" | "done" | "failed" | "stopped";
  readonly problem: JobView["problem"];
}

/** A work as a page shows it; `computing`: parts that somebody has now. */
export function headView(head: JobHead, computing = 0): JobView {
  const { id, kind, label, startedMs, endedMs, parts, done, cached, checked, peers, problem, wrong } = head;
  const state = head.state !== "open" ? head.state : computing > 0 ? "running" : "waiting";
  return { id, kind, label, startedMs, endedMs, parts, done, cached, checked, computing, peers, state, problem, wrong };
}
