// What went through a span at some positions of a session, as the span itself saw it. Plain data: it goes from the
// worker that computed the span to the page that claims the work.
import type { ModelId, PeerId, SessionId, Span } from "./ids.ts";

export interface SpanTally {
  readonly session: SessionId;
  readonly model: ModelId;
  readonly span: Span;
  readonly requester: PeerId;
  /** The peer that sent the steps, and the one that got the results: the requester at the ends of a route. */
  readonly upstream: PeerId;
  readonly downstream: PeerId;
  readonly positions: { readonly start: number; readonly end: number };
  /** SHA-256 over the hashes of each position's input, and of each one's output. */
  readonly input: Uint8Array<ArrayBuffer>;
  readonly output: Uint8Array<ArrayBuffer>;
  readonly determinismClass: string;
  /** Whether the result is the same however the positions are grouped into steps. */
  readonly rowInvariant: boolean;
  /** Whether it was computed to be compared, not for an answer. */
  readonly isAudit: boolean;
}
