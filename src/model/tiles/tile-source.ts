// Port: where the bytes of a model's files come from.

/** A range of a model's file, and the hash of its bytes. A source may go by either. */
export interface TileRange {
  /** Path inside the model's folder. */
  readonly file: string;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  readonly sha256: Uint8Array<ArrayBuffer>;
  /**
   * Layers that read it: a peer that holds one of them holds the tile. The embedding
   * counts to the first, the head to the last.
   */
  readonly layers?: readonly number[];
}

/**
 * The bytes of one range. The view may be part of a larger buffer, and belongs to the
 * reader. Unless `checked` is set, the reader has to verify the bytes.
 */
export interface TileRead {
  /** Index of the range among those that were asked for. */
  readonly index: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Set if the source has checked the bytes against `sha256`, because it has to know which peer sent wrong ones. */
  readonly checked?: true;
  /** The reader calls it once it no longer needs `bytes`: the source may then reuse their memory. */
  readonly done?: () => void;
}

export interface TileSource {
  /**
   * Yields each range once, in any order. The source may fetch neighbours together. Throws MODEL_UNAVAILABLE if the
   * bytes cannot be fetched, MODEL_CORRUPT if a file ends before a range does, or the signal's reason.
   */
  read(ranges: readonly TileRange[], signal: AbortSignal): AsyncIterable<TileRead>;
  /** Whether each `read` costs a pass over the whole file. Then a reader should ask for much at once. */
  readonly wholeFiles?: boolean;
}

/** A server, a hub or a folder with the whole model. */
export interface TileOrigin {
  /** The name that a person knows: of a host, or of a folder. */
  readonly name: string;
  readonly source: TileSource;
}
