// Port: what a mesh offers, besides links, to a mesh that negotiates direct connections over it.
import type { PeerId } from "../../shared/ids.ts";
import type { Link } from "./link.ts";

export interface SignallingMesh {
  /**
   * Opens a link for a negotiation, over any stream on which both peers have proved their keys. Throws PEER_UNREACHABLE
   * or the signal's reason.
   */
  openControl(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link>;
  /** Somebody reports that `peer` is gone: its connection is cut unless it gives a sign of life. */
  suspect(peer: PeerId): void;
  /** Cuts every connection at once, for a page that is being closed. */
  vanish(): void;
}
