// The requester's record of a session whose answer is over: its own logs, and its links to every span. Audits and
// receipts start from it.
import type { ModelId, SessionId } from "../../shared/ids.ts";
import type { LogitsLog } from "../log/logits-log.ts";
import type { Outbox } from "../log/outbox.ts";
import type { HopLink, SessionTerms } from "./hop-link.ts";

export interface SessionRecord {
  readonly session: SessionId;
  readonly model: ModelId;
  readonly terms: SessionTerms;
  /** In order. */
  readonly hops: readonly HopLink[];
  /** The tokens, as they were sent to the first span. */
  readonly outbox: Outbox;
  /** The logits, as the last span sent them. */
  readonly logits: LogitsLog;
  /** Aborts when another answer goes on with the session, or when it is closed. */
  readonly signal: AbortSignal;
}

/** Positions `[from, to)`. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

/** Hashes of a span's inputs and outputs, as one peer reports them. */
export interface Commitment {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}
