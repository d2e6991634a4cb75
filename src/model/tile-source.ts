// Port: where the bytes of a model's files come from.

/** A range of a model's file, and the hash of what it holds: a source may go by either. */
export interface TileRange {
  /** Path inside the model's folder. */
  readonly file: string;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  readonly sha256: Uint8Array;
}

/** One range's bytes; the view may be part of a larger buffer. Not verified: that is the reader's part. */
export interface TileRead {
  /** Index into the ranges that were asked for. */
  readonly index: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface TileSource {
  /**
   * Yields each range once, in any order; the source may fetch neighbours together. Throws MODEL_UNAVAILABLE where the
   * bytes cannot be had, MODEL_CORRUPT where a file ends before a range, or the signal's reason.
   */
  read(ranges: readonly TileRange[], signal: AbortSignal): AsyncIterable<TileRead>;
}
