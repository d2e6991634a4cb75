// What the page and its worker for tasks say to each other. Plain messages: a report of progress must not cost a call.
import type { Task } from "../../protocol/task-frames.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Page to worker. `id` names a run, `ask` a request for a tile. */
export type ToTaskWorker =
  | { readonly kind: "run"; readonly id: number; readonly task: Task; readonly requester: PeerId | undefined }
  | { readonly kind: "cancel"; readonly id: number }
  /** The bytes are checked; undefined if no peer has them. */
  | { readonly kind: "tile"; readonly ask: number; readonly bytes: Bytes | undefined };

/** Worker to page. */
export type FromTaskWorker =
  | { readonly kind: "progress"; readonly id: number }
  | { readonly kind: "done"; readonly id: number; readonly output: Bytes }
  | { readonly kind: "failed"; readonly id: number; readonly code: ErrorCode; readonly message: string }
  | {
      readonly kind: "fetch";
      readonly ask: number;
      readonly hash: Uint8Array;
      readonly sizeBytes: number;
      readonly requester: PeerId | undefined;
    };
