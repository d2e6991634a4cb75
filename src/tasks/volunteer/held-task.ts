// What a volunteer keeps of each requester's link, and of each task that it holds for it.
import type { Link } from "../../mesh/ports/link.ts";
import type { RefusalReason, Task } from "../../protocol/task-frames.ts";
import { type Clock, every } from "../../shared/clock.ts";
import { errorCode } from "../../shared/errors.ts";
import type { TaskId } from "../../shared/ids.ts";
import type { Bytes } from "../task-kind.ts";
import type { TaskSender } from "../task-sender.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two reports of progress: an eighth of the shortest lease. */
  progressMs: 1000,
});

/** One link of one requester. */
export interface RequesterLink {
  readonly link: Link;
  readonly sender: TaskSender;
  readonly held: Map<number, HeldTask>;
  bytes: number;
  /** Whether a flush of finished tasks is due. */
  isFlushDue: boolean;
}

export interface HeldTask {
  readonly lease: number;
  readonly id: TaskId;
  readonly task: Task;
  /** Bytes that are held for it: the task, and its output once there is one. */
  bytes: number;
  readonly from: RequesterLink;
  readonly stop: AbortController;
  step: number;
  reportedStep: number;
  isRunning: boolean;
  done?: { readonly salt: Bytes; readonly output: Bytes; readonly hash: Uint8Array<ArrayBuffer> };
}

/** The reason that a requester gets for a task that could not be computed. */
export function reasonOf(error: unknown): RefusalReason {
  switch (errorCode(error)) {
    case "TASK_REFUSED":
      return "unknown-kind";
    case "INPUT_UNAVAILABLE":
      return "unavailable";
    case "PEER_LOST": // its Web Worker was ended because of another task
      return "busy";
    default:
      return "fault";
  }
}

/** Reports the progress of running tasks to their requester until the signal aborts: that keeps the leases. */
export const reportProgress = ({ held, sender }: RequesterLink, clock: Clock, signal: AbortSignal): Promise<void> =>
  every(clock, DEFAULTS.progressMs, signal, () => {
    for (const one of held.values()) {
      if (!one.isRunning || one.step === one.reportedStep) continue;
      one.reportedStep = one.step;
      sender.queue({ kind: "progress", leases: [{ lease: one.lease, step: one.step }] });
    }
    sender.flush();
  });
