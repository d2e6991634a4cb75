// Port: who I am, links to other peers by protocol, and links that others open to me.
import type { PeerId } from "../../shared/ids.ts";
import type { Link } from "./link.ts";

export interface Mesh {
  readonly self: PeerId;
  /** Opens a link. Throws PEER_UNREACHABLE, or the signal's reason. */
  open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link>;
  /** Takes links that peers open with `protocol`; answers the function that stops taking them. One handler for each protocol. */
  handle(protocol: string, onLink: (link: Link) => void): () => void;
  /** Closes every link and leaves. Idempotent. */
  stop(): Promise<void>;
}
