// How many of something each peer has here at once, none more than its share: links, above all.
import type { PeerId } from "./ids.ts";

export class PeerPlaces {
  readonly #each: number;
  readonly #taken = new Map<PeerId, number>();

  /** `each`: places of one peer. */
  constructor(each: number) {
    this.#each = each;
  }

  /** Places that are taken now, by all peers. */
  get taken(): number {
    return [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Takes a place; answers the function that gives it back, to be called once. Undefined where the peer has its share. */
  take(peer: PeerId): (() => void) | undefined {
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
