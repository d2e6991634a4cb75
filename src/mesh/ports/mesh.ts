// Port: this peer's own id, links to other peers by protocol, and links that other peers open to this one.
import type { PeerId } from "../../shared/ids.ts";
import type { Link } from "./link.ts";

export interface Mesh {
  readonly self: PeerId;
  /** Opens a link. Throws PEER_UNREACHABLE, or the signal's reason. */
  open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link>;
  /**
   * Calls `onLink` with each link that a peer opens with `protocol`. Returns a function that ends this. There is one
   * handler for each protocol: throws BAD_INPUT for a second one.
   */
  handle(protocol: string, onLink: (link: Link) => void): () => void;
  /** Closes every link and leaves. Idempotent. */
  stop(): Promise<void>;
}
