// What one read knows of the peers that it asks for tiles: bytes under way, tiles sent, failures, and pauses.
import type { PeerId } from "../../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /** Bytes under way from one peer: enough to keep its link full while it reads the next tile from its disk. */
  peerBytes: 4 * 1024 * 1024,
  /** The same before a peer has sent a first good tile: all that a liar or an absent peer can waste. */
  newPeerBytes: 512 * 1024,
  /** The least that a tile counts for: each costs a message and a look at the disk, however small it is. */
  leastTileBytes: 128 * 1024,
  /** Failures (not: "I do not have it") after which a peer is left alone for the rest of a read. */
  failures: 3,
  /** Milliseconds for which a peer that could not be reached is not tried again: a busy one may reply by then. */
  awayMs: 5_000,
});

export class PeerRequests {
  readonly #underWay = new Map<PeerId, number>();
  readonly #failures = new Map<PeerId, number>();
  /** When a peer that could not be reached is tried again, in the clock's milliseconds. */
  readonly #awayUntil = new Map<PeerId, number>();
  readonly #sent = new Map<PeerId, number>();

  /** Whether the read may ask the peer at `nowMs`. */
  mayAsk(peer: PeerId, nowMs: number): boolean {
    return (this.#failures.get(peer) ?? 0) < DEFAULTS.failures && (this.#awayUntil.get(peer) ?? 0) <= nowMs;
  }

  /** Whether the peer can take one more request now. */
  hasRoom(peer: PeerId): boolean {
    return (this.#underWay.get(peer) ?? 0) < (this.#sent.has(peer) ? DEFAULTS.peerBytes : DEFAULTS.newPeerBytes);
  }

  /** Notes a request for a tile of `length` bytes. Returns a function to call once the request has ended. */
  begin(peer: PeerId, length: number): () => void {
    const cost = Math.max(DEFAULTS.leastTileBytes, length);
    this.#underWay.set(peer, (this.#underWay.get(peer) ?? 0) + cost);
    return () => this.#underWay.set(peer, (this.#underWay.get(peer) ?? cost) - cost);
  }

  /** Good tiles that the peer has sent in this read. */
  sentBy(peer: PeerId): number {
    return this.#sent.get(peer) ?? 0;
  }

  noteSent(peer: PeerId): void {
    this.#sent.set(peer, this.sentBy(peer) + 1);
  }

  noteFailure(peer: PeerId): void {
    this.#failures.set(peer, (this.#failures.get(peer) ?? 0) + 1);
  }

  /**
   * One call that did not get through fails every request that waited for it: it counts as
   * one pause, not as so many failures.
   */
  noteAway(peer: PeerId, nowMs: number): void {
    this.#awayUntil.set(peer, nowMs + DEFAULTS.awayMs);
  }
}
