// Counts where tiles came from, and that each was checked: for the page to show, and for benches to read.

export interface TileCounts {
  /** Tiles that were checked against their SHA-256, wherever they came from, including those that failed. */
  readonly checked: number;
  /** Tiles that became part of a span. Never more than the tiles that passed their check. */
  readonly used: number;
  /** Tiles that did not match their hash. */
  readonly refused: number;
  /** Bytes of used tiles, by where they came from. */
  readonly fromStoreBytes: number;
  readonly fromPeersBytes: number;
  readonly fromOriginBytes: number;
}

export class TileTally {
  #counts: TileCounts = { checked: 0, used: 0, refused: 0, fromStoreBytes: 0, fromPeersBytes: 0, fromOriginBytes: 0 };

  get counts(): TileCounts {
    return this.#counts;
  }

  add(more: Partial<TileCounts>): void {
    const before = this.#counts;
    const sum = (key: keyof TileCounts): number => before[key] + (more[key] ?? 0);
    this.#counts = {
      checked: sum("checked"),
      used: sum("used"),
      refused: sum("refused"),
      fromStoreBytes: sum("fromStoreBytes"),
      fromPeersBytes: sum("fromPeersBytes"),
      fromOriginBytes: sum("fromOriginBytes"),
    };
  }
}
