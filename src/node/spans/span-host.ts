// Port: a loaded span that serves sessions, wherever it runs. Lending and a tab's own prompts load, use and free it.
import type { EngineOptions, EngineReport } from "../../engine/contract.ts";
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { Link } from "../../mesh/ports/link.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import type { SpanPlan, SplitSpan } from "../../protocol/span-plan.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Observable } from "../../shared/events.ts";
import type { Log } from "../../shared/log.ts";

export interface SpanHost extends Observable<SpanServiceEvents> {
  readonly plan: SpanPlan;
  readonly report: EngineReport;
  readonly openSessions: number;
  /** Positions that all open sessions together may fill. */
  readonly reservedPositions: number;
  /** Serves one link until it closes. */
  accept(link: Link): void;
  /** Accepts no new sessions; resolves when the last one has ended by itself, or because the signal aborted. */
  retire(signal: AbortSignal): Promise<void>;
  /** As `retire`, and asks the requesters to replace this span; it serves until they have. */
  leave(signal: AbortSignal): Promise<void>;
  setShare(share: number): void;
  /** Ends every session, and frees the runtime and its memory. Idempotent. */
  dispose(): Promise<void>;
  /** Resolves if the runtime dies by itself. Never rejects. */
  readonly died: Promise<Error>;
}

/** What a host needs to serve its span. */
export interface SpanHostOptions {
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Log;
}

/** Builds a span; takes the buffers of `source`. Throws ENGINE_FAILED, MODEL_UNSUPPORTED or the signal's reason. */
export type StartSpan = (source: SplitSpan, options: EngineOptions, signal: AbortSignal) => Promise<SpanHost>;
