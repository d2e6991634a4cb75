// Port: a stream that a peer opened, as the relay's services see it.
import type { PeerId } from "../../src/shared/ids.ts";

/** What happens on a stream. `closed` comes once and last, however the stream ended. */
export interface PeerStreamEvents {
  bytes(chunk: Uint8Array): void;
  /** The peer sends no more. */
  ended(): void;
  closed(): void;
}

export interface PeerStream {
  readonly peer: PeerId;
  /** Whether `send` may be called. */
  readonly writable: boolean;
  /** Whether the transport's buffer is full. Bytes that are sent nevertheless stay in memory. */
  readonly full: boolean;
  send(bytes: Uint8Array): void;
  /** Flushes, then closes this side. Cuts the stream if the peer does not read. Never throws. */
  close(): void;
  /** Closes at once, and lets the peer know. */
  abort(reason: Error): void;
  /** Begins to read. To be called once, in the turn in which the stream arrived. */
  listen(events: PeerStreamEvents): void;
}
