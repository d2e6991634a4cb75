// Port: the peers that hold tiles, and requests to them.
import type { PeerId, Span } from "../../shared/ids.ts";

/** What is known about one peer's layers. */
export interface TileHolder {
  readonly peer: PeerId;
  /** Layers that it serves: it has all their tiles. */
  readonly holds: readonly Span[];
  /** Layers that it is about to hold, or once meant to hold: it may have some of their tiles. */
  readonly mayHold: readonly Span[];
  /** Layers that it is fetching now, and will hold. */
  readonly fetching: Span | undefined;
}

export interface TilePeers {
  readonly self: PeerId;
  /** The other peers of this model, as they are known at this moment. */
  holders(): readonly TileHolder[];
  /**
   * Resolves with one tile from one peer, not verified; undefined if the peer says that it does not have it. With
   * `wait`, the peer is asked to send the tile as soon as it has it. Throws PEER_UNREACHABLE, PEER_LOST, MODEL_CORRUPT
   * if the peer sent something else, or the signal's reason.
   */
  fetch(peer: PeerId, sha256: Uint8Array<ArrayBuffer>, wait: boolean, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Notifies peers that wait for a tile that it is here now. */
  gained(sha256: Uint8Array<ArrayBuffer>): void;
}
