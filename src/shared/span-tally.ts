// What went through a span at some positions of a session, as the span itself saw it: from the worker that computed it to the
// page that claims it. Plain data.
import type { ModelId, PeerId, SessionId, Span } from "./ids.ts";

export interface SpanTally {
  readonly session: SessionId;
  readonly model: ModelId;
  readonly span: Span;
  readonly requester: PeerId;
  /** Who sent the steps, and who got the results: the requester at the ends of a route. */
  readonly upstream: PeerId;
  readonly downstream: PeerId;
  readonly positions: { readonly start: number; readonly end: number };
  /** SHA-256 over the hashes of each position's input, and of each one's output. */
  readonly input: Uint8Array<ArrayBuffer>;
  readonly output: Uint8Array<ArrayBuffer>;
  readonly determinismClass: string;
  /** Whether any grouping of the positions into steps gives the same. */
  readonly rowInvariant: boolean;
  /** Computed to be compared, not for an answer. */
  readonly isAudit: boolean;
}
