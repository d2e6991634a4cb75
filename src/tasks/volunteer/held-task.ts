// What a volunteer keeps of each requester's link, and of each task that lies here.
import type { Link } from "../../mesh/ports/link.ts";
import type { RefusalReason, Task } from "../../protocol/task-frames.ts";
import { type Clock, every } from "../../shared/clock.ts";
import { errorCode } from "../../shared/errors.ts";
import type { TaskId } from "../../shared/ids.ts";
import type { Bytes } from "../task-kind.ts";
import type { TaskSender } from "../task-sender.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two signs of progress: a fifth of the shortest lease. */
  progressMs: 1000,
});

/** One link of one requester. */
export interface Requester {
  readonly link: Link;
  readonly sender: TaskSender;
  readonly held: Map<number, Held>;
  bytes: number;
  /** A flush of what is finished is on its way. */
  isGathering: boolean;
}

export interface Held {
  readonly lease: number;
  readonly id: TaskId;
  readonly task: Task;
  /** That lie here for it: the task, and its output once there is one. */
  bytes: number;
  readonly owner: Requester;
  readonly stop: AbortController;
  step: number;
  toldStep: number;
  isRunning: boolean;
  done?: { readonly salt: Bytes; readonly output: Bytes; readonly hash: Uint8Array<ArrayBuffer> };
}

/** What a requester is told of a task that could not be computed. */
export function reasonOf(error: unknown): RefusalReason {
  switch (errorCode(error)) {
    case "TASK_REFUSED":
      return "unknown-kind";
    case "INPUT_UNAVAILABLE":
      return "unavailable";
    case "PEER_LOST": // its worker went, for what another task did there
      return "busy";
    default:
      return "fault";
  }
}

/** Tells a requester of what moves here, until the signal aborts: that keeps its leases. */
export const tellProgress = ({ held, sender }: Requester, clock: Clock, signal: AbortSignal): Promise<void> =>
  every(clock, DEFAULTS.progressMs, signal, () => {
    for (const one of held.values()) {
      if (!one.isRunning || one.step === one.toldStep) continue;
      one.toldStep = one.step;
      sender.queue({ kind: "progress", leases: [{ lease: one.lease, step: one.step }] });
    }
    sender.flush();
  });
