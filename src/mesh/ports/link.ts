// Port: an ordered, bounded, authenticated pipe of whole frames to one peer.
import type { PeerId } from "../../shared/ids.ts";

/** One end of a link on its way to another thread. */
export interface DetachedLink {
  readonly remote: PeerId;
  /** What goes into the list of transferred objects. */
  readonly transferable: object;
  /** To be called once, when the end has closed over there. */
  readonly released: () => void;
}

/**
 * Frames arrive whole and in order, or the link is closed. The receiver reads `frames` once; frames that are not read
 * are buffered up to a bound, past which the sender waits.
 */
export interface Link {
  readonly remote: PeerId;
  /**
   * Gives this end up to be used in another thread. Only before anything else is touched, and only in the task in which
   * the link was opened or handed over; undefined where the transport cannot move, or it is too late.
   */
  detach?(): DetachedLink | undefined;
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
