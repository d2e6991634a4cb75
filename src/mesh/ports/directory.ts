// Port: what peers hold, as a relay tells it.
import type { PeerAnnouncement, PeerRecord } from "../../protocol/directory-frames.ts";
import type { Observable } from "../../shared/events.ts";

export interface Swarm {
  /** Counts up with each change, from 0; -1 until the relay has told anything. */
  readonly revision: number;
  readonly peers: readonly PeerRecord[];
}

export interface DirectoryEvents {
  "swarm:changed": Swarm;
  /** Whether the relay answers; `retryInMs` says when the next try comes. The last known swarm stays valid. */
  "relay:changed": RelayStatus;
}

export type RelayStatus =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected" }
  | { readonly kind: "lost"; readonly retryInMs: number; readonly message: string };

export interface Directory extends Observable<DirectoryEvents> {
  readonly swarm: Swarm;
  readonly relay: RelayStatus;
  /** Says what this peer holds from now on; repeated by itself as a heartbeat until withdrawn. */
  announce(announcement: PeerAnnouncement): void;
  /** Stops announcing; goes on watching. */
  withdraw(): void;
  stop(): Promise<void>;
}
