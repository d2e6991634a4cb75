// Worker contract of a span: what the page asks of the worker, and what the worker asks of the page or reports to it.
import type { EngineOptions, EngineReport } from "../../engine/contract.ts";
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { SplitSpan } from "../../protocol/span-plan.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";

/** Failures cross to and from a worker as values, because thrown errors would lose their code. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** A link's end on its way into the worker: its data channel, or a port to the page if the channel cannot move. */
export interface MovedLink {
  /** Given by the page; the worker reports under it that the link has closed. */
  readonly id: number;
  readonly remote: PeerId;
  readonly end: RTCDataChannel | MessagePort;
}

export type SpanWorkerEvent =
  /** Sums over the steps since the last event of this kind, one for each requester. */
  | { readonly kind: "served"; readonly served: readonly SpanServiceEvents["span:served"][] }
  | { readonly kind: "refused"; readonly refused: SpanServiceEvents["frame:refused"] }
  | { readonly kind: "tallied"; readonly tally: SpanServiceEvents["session:tallied"] }
  | { readonly kind: "sessions"; readonly sessions: SpanServiceEvents["sessions:changed"] }
  | { readonly kind: "link-closed"; readonly id: number }
  | { readonly kind: "log"; readonly level: "debug" | "info" | "warn"; readonly message: string; readonly fields: object };

/** What the page does for the worker. */
export interface SpanPageApi {
  /** Opens a link to the next peer of a route. */
  open(peer: PeerId, protocol: string): Promise<Outcome<MovedLink>>;
  report(event: SpanWorkerEvent): void;
}

/** What the worker does for the page. `load` is called once, before anything else. */
export interface SpanWorkerApi {
  load(source: SplitSpan, options: EngineOptions, page: SpanPageApi): Promise<Outcome<EngineReport>>;
  accept(link: MovedLink): void;
  /** Accepts no new sessions; resolves when the last one has ended. */
  retire(): Promise<void>;
  /** As `retire`, and asks the requesters to replace this span. */
  leave(): Promise<void>;
  /** Ends every session. */
  stop(): Promise<void>;
  setShare(share: number): void;
}
