// Port: which peer holds what, as a relay reports it.
import type { PeerAnnouncement, PeerRecord } from "../../protocol/directory-frames.ts";
import type { Observable } from "../../shared/events.ts";

export interface Swarm {
  /** Counts up from 0 with each change. It is -1 until the relay has sent a swarm. */
  readonly revision: number;
  readonly peers: readonly PeerRecord[];
}

export interface DirectoryEvents {
  "swarm:changed": Swarm;
  /** Whether the relay replies. While it does not, the last known swarm stays valid. */
  "relay:changed": RelayStatus;
}

export type RelayStatus =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected" }
  /** The next try comes in `retryInMs` milliseconds. */
  | { readonly kind: "lost"; readonly retryInMs: number; readonly message: string };

export interface Directory extends Observable<DirectoryEvents> {
  readonly swarm: Swarm;
  readonly relay: RelayStatus;
  /** Announces what this peer holds from now on. The directory repeats it as a heartbeat until it is withdrawn. */
  announce(announcement: PeerAnnouncement): void;
  /** Stops announcing, and goes on watching. */
  withdraw(): void;
  stop(): Promise<void>;
}
