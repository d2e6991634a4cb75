// Port: peers that hold tiles, and asking one of them for one.
import type { PeerId, Span } from "../../shared/ids.ts";

/** What is known of one peer's layers. */
export interface TileHolder {
  readonly peer: PeerId;
  /** Layers that it serves, and so has all tiles of. */
  readonly holds: readonly Span[];
  /** Layers that it is about to hold, or meant to hold before: it may have some of their tiles. */
  readonly mayHold: readonly Span[];
  /** Layers that it fetches now and will have. */
  readonly fetching: Span | undefined;
}

export interface TilePeers {
  readonly self: PeerId;
  /** Peers of this model other than this one, as known at this moment. */
  holders(): readonly TileHolder[];
  /**
   * One tile from one peer, not verified. Undefined where the peer says that it does not have it; with `wait` it is
   * asked to send the tile as soon as it has it. Throws PEER_UNREACHABLE, PEER_LOST, MODEL_CORRUPT where it sent
   * something else, or the signal's reason.
   */
  fetch(peer: PeerId, sha256: Uint8Array<ArrayBuffer>, wait: boolean, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Tells that a tile is here now, for peers that wait for it. */
  gained(sha256: Uint8Array<ArrayBuffer>): void;
}
