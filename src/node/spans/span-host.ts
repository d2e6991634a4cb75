// Port: one loaded span that serves sessions, wherever it runs: what lending and a tab's own prompts load, hand links to and free.
import type { EngineOptions, EngineReport } from "../../engine/contract.ts";
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { Link } from "../../mesh/ports/link.ts";
import type { SpanPlan, SplitSpan } from "../../protocol/span-plan.ts";
import type { Observable } from "../../shared/events.ts";

export interface SpanHost extends Observable<SpanServiceEvents> {
  readonly plan: SpanPlan;
  readonly report: EngineReport;
  readonly openSessions: number;
  /** Positions that the open sessions may fill, all together. */
  readonly reservedPositions: number;
  /** Serves one link until it closes. */
  accept(link: Link): void;
  /** Takes no new sessions; resolves when the last one has ended, or has been ended because the signal aborts. */
  retire(signal: AbortSignal): Promise<void>;
  /** As `retire`, and asks the requesters to put somebody else in this span's place; it serves on until they have. */
  leave(signal: AbortSignal): Promise<void>;
  setShare(share: number): void;
  /** Ends every session, frees the runtime and its memory. Idempotent. */
  dispose(): Promise<void>;
  /** Settles, never rejects, when the runtime died by itself. */
  readonly died: Promise<Error>;
}

/** Builds a span and serves it; takes over the buffers of `source`. Throws ENGINE_FAILED, MODEL_UNSUPPORTED or the signal's reason. */
export type StartSpan = (source: SplitSpan, options: EngineOptions, signal: AbortSignal) => Promise<SpanHost>;
