// Port: tiles that are kept on this machine, by the hex SHA-256 of their bytes.

export interface TileStore {
  /**
   * Resolves with the tile; undefined if it is not kept. Not verified: the reader checks tiles that come from a disk.
   */
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Keeps a copy. May drop other tiles to stay within the budget. */
  put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Deletes a tile. Unknown ones are ignored. */
  delete(hash: string): Promise<void>;
}

/** A store whose size a person sets. */
export interface BudgetedStore extends TileStore {
  /** Sets the most bytes that are kept. Tiles beyond that are dropped, least recently used first. */
  setBudget(budgetBytes: number): Promise<void>;
}
