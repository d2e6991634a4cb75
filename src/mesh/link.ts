// Port: an ordered, bounded, authenticated pipe of whole frames to one peer.
import type { PeerId } from "../shared/ids.ts";

/**
 * Frames arrive whole and in order, or the link is closed. The receiver reads `frames` once; frames that are not read
 * are buffered up to a bound, past which the sender waits.
 */
export interface Link {
  readonly remote: PeerId;
  /** Received frames; ends when the link closes. Throws FRAME_TOO_LARGE or PEER_LOST where it closed for that. */
  readonly frames: AsyncIterable<Uint8Array>;
  /** Resolves once the frame is handed to the transport's bounded buffer. Throws PEER_LOST, or the signal's reason. */
  send(frame: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Flushes what was sent, then closes. Idempotent. */
  close(): Promise<void>;
  /** Closes at once and tells the other side, for a peer that broke the protocol. Idempotent. */
  abort(reason: Error): void;
  /** Settles, never rejects, once no frame can come or go any more. */
  readonly closed: Promise<void>;
}
