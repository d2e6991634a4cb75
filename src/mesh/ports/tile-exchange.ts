// Port: blocks of bytes by their SHA-256, between peers.
import type { PeerId } from "../../shared/ids.ts";

/** Where served blocks come from. */
export interface TileShelf {
  /** The block with this hash (lower-case hex), undefined where it is not here or not to be given away. */
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

export interface TileExchange {
  /**
   * One block from one peer, not verified. Undefined where the peer says that it does not have it; with `wait` the answer
   * comes when it has it. Throws PEER_UNREACHABLE, MODEL_CORRUPT where it sent something else, or the signal's reason.
   */
  fetch(peer: PeerId, sha256: Uint8Array<ArrayBuffer>, wait: boolean, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Tells that the shelf has this block now, for peers that wait for it. */
  gained(sha256: Uint8Array<ArrayBuffer>): void;
  stop(): Promise<void>;
}
