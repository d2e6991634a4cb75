// What a dispatcher is given, once and with each task.
import type { TaskClaim } from "../../protocol/task-frames.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import type { AssignmentsDeps } from "./assignments.ts";
import type { Bytes } from "../task-kind.ts";

/** A result as its maker signed for it. */
export interface ClaimedWork {
  readonly task: TaskId;
  readonly kind: string;
  readonly units: number;
  readonly replica: number;
  readonly worker: PeerId;
  readonly resultHash: Bytes;
  readonly claim: NonNullable<TaskClaim>;
}

export interface DispatcherDeps extends AssignmentsDeps {
  /** Whether the worker's signature is its own; without it claims are taken as they come. */
  readonly checkClaim?: (work: ClaimedWork) => Promise<boolean>;
}

export interface SubmitOptions {
  /** Higher goes first; 0 is usual. */
  readonly priority?: number;
  /** Milliseconds from now after which the task fails with TIMEOUT. */
  readonly deadlineMs?: number;
  /** Priced units of the task, by the requester's own measure. */
  readonly units?: number;
  /** What was set aside for it at the ledger. */
  readonly reservation?: string | null;
  /** Who does not get it. */
  readonly avoid?: readonly PeerId[];
  /** `encodeTask(task)`, where the caller has it already. */
  readonly bytes?: Bytes;
  /** The requester's own look at an output, for kinds that have one (`TaskKind.accepts`). */
  readonly accepts?: (output: Bytes, random: () => number) => boolean;
  /** Whether outputs of two determinism classes say the same, for kinds that can tell (`TaskKind.near`). */
  readonly near?: (a: Bytes, b: Bytes) => boolean;
  readonly signal: AbortSignal;
}
