// Who holds what, as pure state: peers announce, withdraw, leave and expire. No timers, no streams; time is an argument.
import type { PeerAnnouncement, PeerRecord, SwarmFrame } from "../../src/protocol/directory-frames.ts";
import { LIMITS } from "../../src/protocol/version.ts";
import type { PeerId } from "../../src/shared/ids.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds after its last announcement that a peer is dropped: three heartbeats of 5 s. */
  expiryMs: 15_000,
  /** Announcements a second that one peer may make for long: a tab sends at most ten, coalesced. */
  announcesPerSecond: 10,
  /** Announcements that it may make at once: a tab that joins, loads and serves within a moment. */
  announceBurst: 30,
});

interface Entry {
  readonly record: PeerRecord;
  /** The stream that spoke last for this peer: an older one that closes late takes nothing away. */
  readonly owner: object;
  readonly seenMs: number;
}

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/** What became of an announcement. */
export type AnnounceResult = "changed" | "unchanged" | "too-many-peers" | "too-often";

/** The directory of one relay. `now` is in milliseconds and never goes back. */
export class Directory {
  readonly #entries = new Map<PeerId, Entry>();
  readonly #buckets = new Map<PeerId, Bucket>();
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
    if (!this.#spend(peer, now)) return "too-often";
    const old = this.#entries.get(peer);
    if (old === undefined && this.#entries.size >= this.#maxPeers) return "too-many-peers";
    const record: PeerRecord = { ...announcement, peer, joined: old?.record.joined ?? ++this.#joined };
    this.#entries.set(peer, { record, owner, seenMs: now });
    if (old !== undefined && sameRecord(old.record, record)) return "unchanged";
    this.#revision++;
    return "changed";
  }

  /** Takes a peer out. With `owner`, only where that stream spoke last for it. Answers whether that changed anything. */
  remove(peer: PeerId, owner?: object): boolean {
    const entry = this.#entries.get(peer);
    if (entry === undefined || (owner !== undefined && entry.owner !== owner)) return false;
    this.#entries.delete(peer);
    this.#revision++;
    return true;
  }

  /** Drops peers that have not announced for `expiryMs`. Answers whether there were any. */
  expire(now: number): boolean {
    let changed = false;
    for (const [peer, entry] of this.#entries) {
      if (now - entry.seenMs > DEFAULTS.expiryMs) changed = this.remove(peer) || changed;
    }
    for (const [peer, bucket] of this.#buckets) {
      if (now - bucket.atMs > DEFAULTS.expiryMs) this.#buckets.delete(peer); // full again by now
    }
    return changed;
  }

  #spend(peer: PeerId, now: number): boolean {
    const bucket = this.#buckets.get(peer) ?? { tokens: DEFAULTS.announceBurst, atMs: now };
    const refilled = bucket.tokens + ((now - bucket.atMs) / 1000) * DEFAULTS.announcesPerSecond;
    const tokens = Math.min(DEFAULTS.announceBurst, refilled);
    const allowed = tokens >= 1;
    this.#buckets.set(peer, { tokens: allowed ? tokens - 1 : tokens, atMs: now });
    return allowed;
  }
}

const sameRecord = (a: PeerRecord, b: PeerRecord): boolean => JSON.stringify(a) === JSON.stringify(b); // same key order: one schema
