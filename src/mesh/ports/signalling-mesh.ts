// Port: what a mesh offers, beside links, to one that makes direct connections over it.
import type { PeerId } from "../../shared/ids.ts";
import type { Link } from "./link.ts";

export interface SignallingMesh {
  /** A link for negotiating: any stream on which both peers have proved their keys. Throws PEER_UNREACHABLE or the signal's reason. */
  openControl(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link>;
  /** Somebody else believes that `peer` is gone: its connection has to give a sign of life, or is cut. */
  suspect(peer: PeerId): void;
  /** Cuts every connection at once, for a page that is going away this instant. */
  vanish(): void;
}
