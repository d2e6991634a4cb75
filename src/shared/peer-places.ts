// Counts how many of something (above all links) each peer has here at once, and gives no peer more than its share.
import type { PeerId } from "./ids.ts";

export class PeerPlaces {
  readonly #each: number;
  readonly #taken = new Map<PeerId, number>();

  /** `each`: number of places that one peer may have. */
  constructor(each: number) {
    this.#each = each;
  }

  /** Places that all peers together have now. */
  get taken(): number {
    return [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
  }

  /**
   * Gives the peer a place, and returns a function that frees it, to be called once.
   * Undefined if the peer has its share.
   */
  acquire(peer: PeerId): (() => void) | undefined {
    const count = this.#taken.get(peer) ?? 0;
    if (count >= this.#each) return undefined;
    this.#taken.set(peer, count + 1);
    return () => {
      const left = (this.#taken.get(peer) ?? 1) - 1;
      if (left > 0) this.#taken.set(peer, left);
      else this.#taken.delete(peer);
    };
  }
}
