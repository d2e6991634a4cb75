// Port: tiles kept on this machine, by the hex SHA-256 of their bytes.

export interface TileStore {
  /** The tile, not verified: what comes from a disk is checked by the reader. Undefined where it is not kept. */
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Keeps a copy; may drop others to stay within its budget. */
  put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Forgets a tile. Unknown ones are ignored. */
  delete(hash: string): Promise<void>;
}

/** A store whose room a person sets. */
export interface BudgetedStore extends TileStore {
  /** Bytes kept at most from now on; what is over is dropped, least recently used first. */
  setBudget(budgetBytes: number): Promise<void>;
}
