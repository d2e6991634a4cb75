// Port: peers give each other blocks of bytes, named by their SHA-256.
import type { PeerId } from "../../shared/ids.ts";

/** The blocks that other peers may ask for. */
export interface TileShelf {
  /**
   * Returns the block with this hash (lower-case hex), or undefined if it is not here or other peers may not have it.
   */
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

export interface TileExchange {
  /**
   * Fetches one block from one peer, and does not verify it. Returns undefined if the peer says that it does not have
   * the block. With `wait` it resolves once the peer has it. Throws PEER_UNREACHABLE, MODEL_CORRUPT if the peer sent
   * something else, or the signal's reason.
   */
  fetch(peer: PeerId, sha256: Uint8Array<ArrayBuffer>, wait: boolean, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Notifies the exchange that the shelf has this block now. Peers that wait for it get it. */
  gained(sha256: Uint8Array<ArrayBuffer>): void;
  stop(): Promise<void>;
}
