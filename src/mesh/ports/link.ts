// Port: an ordered, bounded, authenticated pipe of whole frames to one peer.
import type { PeerId } from "../../shared/ids.ts";

/** One end of a link on its way to another thread. */
export interface DetachedLink {
  readonly remote: PeerId;
  /** Goes into the list of transferred objects. */
  readonly transferable: object;
  /** To be called once, when this end has closed in the other thread. */
  readonly released: () => void;
}

/**
 * Frames arrive whole and in order, or the link is closed. The receiver reads `frames` once. Unread frames are buffered
 * up to a bound, and beyond it the sender waits.
 */
export interface Link {
  readonly remote: PeerId;
  /**
   * Gives this end up, so that another thread can use it. Possible only in the task in which the link was opened or
   * arrived, and only before anything else of it is used. Returns undefined if that is over, or if the transport cannot
   * be transferred.
   */
  detach?(): DetachedLink | undefined;
  /** Received frames. Ends when the link closes. Throws FRAME_TOO_LARGE or PEER_LOST if that is why it closed. */
  readonly frames: AsyncIterable<Uint8Array>;
  /**
   * Resolves once the frame is in the transport's bounded buffer. Throws FRAME_TOO_LARGE, PEER_LOST, or the signal's
   * reason.
   */
  send(frame: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Flushes what was sent, then closes. Idempotent. */
  close(): Promise<void>;
  /** Closes at once, and lets the other side know: for a peer that broke the protocol. Idempotent. */
  abort(reason: Error): void;
  /** Resolves once no frame can come or go any more. Never rejects. */
  readonly closed: Promise<void>;
}
