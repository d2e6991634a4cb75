// What a requester can hold against each other once an answer is over: its own side of the session, and links to every span.
import type { ModelId, SessionId } from "../../shared/ids.ts";
import type { LogitsLog } from "../log/logits-log.ts";
import type { HopLink, SessionRoom } from "./hop-link.ts";
import type { Outbox } from "../log/outbox.ts";

export interface SessionRecord {
  readonly session: SessionId;
  readonly model: ModelId;
  readonly room: SessionRoom;
  /** In order. */
  readonly hops: readonly HopLink[];
  /** The tokens, as they were sent to the first span. */
  readonly outbox: Outbox;
  /** The logits, as the last span answered them. */
  readonly answers: LogitsLog;
  /** Aborts when another answer goes on with the session, or it is closed. */
  readonly signal: AbortSignal;
}

/** Positions `[from, to)`. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

/** What went into a span and came out of it, as somebody says. */
export interface Commitment {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}
