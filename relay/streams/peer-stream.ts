// Port: a stream that one peer opened, as the relay's services see it, with no library in it.
import type { PeerId } from "../../src/shared/ids.ts";

/** What happens on a stream. `closed` comes once, last, however it ended. */
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
  /** Whether the transport's buffer is full: what is sent now is kept in memory. */
  readonly full: boolean;
  send(bytes: Uint8Array): void;
  /** Flushes and closes this side; cuts the stream where the peer does not take it. Never rejects. */
  close(): void;
  /** Closes at once and tells the peer. */
  abort(reason: Error): void;
  /** Begins to read; called once, in the same turn in which the stream was handed over. */
  listen(events: PeerStreamEvents): void;
}
