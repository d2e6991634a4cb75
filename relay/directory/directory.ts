// Which peer holds what, as state without effects: peers announce, withdraw, leave and expire. Time is an argument.
import type { PeerAnnouncement, PeerRecord, SwarmFrame } from "../../src/protocol/directory-frames.ts";
import { LIMITS } from "../../src/protocol/version.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import { RateLimit } from "../rate-limit.ts";

export const DIRECTORY_LIMITS = Object.freeze({
  /** Milliseconds after its last announcement at which a peer is dropped: three heartbeats of 5 s. */
  expiryMs: 15_000,
  /** Announcements a second from one peer in the long run. A tab sends at most ten, coalesced. */
  announcesPerSecond: 10,
  /** Announcements from one peer at once: a tab that joins, loads and serves within a moment. */
  announceBurst: 30,
});

interface Entry {
  readonly record: PeerRecord;
  /** The stream over which the peer announced last. An older stream that closes late does not remove the peer. */
  readonly owner: object;
  readonly seenMs: number;
}

/** What an announcement did. */
export type AnnounceResult = "changed" | "unchanged" | "too-many-peers" | "too-often";

/** The directory of one relay. `now` is in milliseconds and never goes back. */
export class Directory {
  readonly #entries = new Map<PeerId, Entry>();
  readonly #rates = new RateLimit<PeerId>({
    perSecond: DIRECTORY_LIMITS.announcesPerSecond,
    burst: DIRECTORY_LIMITS.announceBurst,
  });
  readonly #maxPeers: number;
  #joined = 0;
  #revision = 0;

  constructor(maxPeers: number = LIMITS.directoryPeers) {
    this.#maxPeers = maxPeers;
  }

  /** Counts up with each change. */
  get revision(): number {
    return this.#revision;
  }

  /** All peers in the order of joining. */
  get swarm(): SwarmFrame {
    return { kind: "swarm", revision: this.#revision, peers: [...this.#entries.values()].map((entry) => entry.record) };
  }

  announce(peer: PeerId, owner: object, announcement: PeerAnnouncement, now: number): AnnounceResult {
    if (!this.#rates.take(peer, now)) return "too-often";
    const old = this.#entries.get(peer);
    if (old === undefined && this.#entries.size >= this.#maxPeers) return "too-many-peers";
    const record: PeerRecord = { ...announcement, peer, joined: old?.record.joined ?? ++this.#joined };
    this.#entries.set(peer, { record, owner, seenMs: now });
    if (old !== undefined && sameRecord(old.record, record)) return "unchanged";
    this.#revision++;
    return "changed";
  }

  /** Removes a peer. If `owner` is given, only if that stream announced last. Returns whether that changed anything. */
  remove(peer: PeerId, owner?: object): boolean {
    const entry = this.#entries.get(peer);
    if (entry === undefined || (owner !== undefined && entry.owner !== owner)) return false;
    this.#entries.delete(peer);
    this.#revision++;
    return true;
  }

  /** Drops peers that have not announced for `expiryMs`. Returns whether there were any. */
  expire(now: number): boolean {
    let changed = false;
    for (const [peer, entry] of this.#entries) {
      if (now - entry.seenMs > DIRECTORY_LIMITS.expiryMs) changed = this.remove(peer) || changed;
    }
    this.#rates.sweep(now);
    return changed;
  }
}

const sameRecord = (a: PeerRecord, b: PeerRecord): boolean => JSON.stringify(a) === JSON.stringify(b); // one schema orders the keys
