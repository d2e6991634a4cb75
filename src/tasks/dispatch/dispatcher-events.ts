// What a dispatcher tells: settlements, failures, and who was caught.
import type { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import type { Settled } from "./task-record.ts";

export interface DispatcherEvents {
  "task:settled": Settled;
  "task:failed": { readonly id: TaskId; readonly error: ManyhandsError };
  /** A peer was caught: this task that it settled alone is checked now. */
  "task:reopened": { readonly id: TaskId; readonly peer: PeerId };
  /** The check of a reopened task gave the same result. */
  "task:confirmed": Settled;
  /** The check of a reopened task gave another result than the one that was handed out. */
  "task:corrected": Settled;
  /** A signature that is not its peer's own: the result does not count. */
  "claim:forged": { readonly peer: PeerId; readonly task: TaskId };
  "peer:wrong": { readonly peer: PeerId; readonly task: TaskId };
}
