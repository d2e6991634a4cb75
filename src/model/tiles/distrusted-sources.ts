// Remembers which peers and origins sent tiles that did not match their hash.
import type { PeerId } from "../../shared/ids.ts";
import type { TileOrigin } from "./tile-source.ts";

/** Kept for as long as the page lives, over all reads of a source. */
export class DistrustedSources {
  readonly #peers = new Set<PeerId>();
  readonly #origins = new Map<TileOrigin, number>();

  /** Whether a peer sent a wrong tile: it is not asked again. */
  hasPeer(peer: PeerId): boolean {
    return this.#peers.has(peer);
  }

  addPeer(peer: PeerId): void {
    this.#peers.add(peer);
  }

  addOrigin(origin: TileOrigin): void {
    this.#origins.set(origin, (this.#origins.get(origin) ?? 0) + 1);
  }

  /** Origins in their order, but those that sent wrong bytes come last: a server may have been mended. */
  order(origins: readonly TileOrigin[]): TileOrigin[] {
    return origins.toSorted((a, b) => (this.#origins.get(a) ?? 0) - (this.#origins.get(b) ?? 0));
  }
}
