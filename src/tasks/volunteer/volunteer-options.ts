// What a volunteer is given, and what it tells.
import type { RefusalReason, TaskClaim } from "../../protocol/task-frames.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import type { TaskRunner } from "./local-runner.ts";
import type { Bytes } from "../task-kind.ts";

/** What a worker signs its result for. */
export interface DoneWork {
  readonly task: TaskId;
  readonly kind: string;
  readonly units: number;
  readonly replica: number;
  readonly requester: PeerId;
  readonly resultHash: Uint8Array<ArrayBuffer>;
}

export interface VolunteerDeps {
  readonly self: PeerId;
  readonly runner: TaskRunner;
  readonly clock: Clock;
  /** 16 fresh random bytes. */
  readonly salt: () => Bytes;
  /** Claims pay for work; without it nothing is claimed. */
  readonly claim?: (work: DoneWork) => Promise<TaskClaim>;
  /** A signature under a statement on work that this peer did as well; undefined where it is not as stated. Rejects with FRAME_MALFORMED. */
  readonly witness?: (requester: PeerId, statement: Bytes) => Promise<Bytes | undefined>;
  /** A receipt of this peer's own work, complete. Throws FRAME_MALFORMED. */
  readonly receipt?: (requester: PeerId, receipt: Bytes) => void;
}

export interface VolunteerEvents {
  /** `ms` of computing for `requester`. */
  "task:served": { readonly task: TaskId; readonly kind: string; readonly requester: PeerId; readonly ms: number };
  /** Tasks that are computed here now. */
  "running:changed": { readonly running: number };
  "task:refused": { readonly requester: PeerId; readonly reason: RefusalReason; readonly message: string };
  /** A requester that broke the protocol; its link was closed. */
  "frame:refused": { readonly requester: PeerId; readonly error: unknown };
}
