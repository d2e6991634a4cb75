// Port: where the bytes of a model's files come from.

/** A range of a model's file, and the hash of what it holds: a source may go by either. */
export interface TileRange {
  /** Path inside the model's folder. */
  readonly file: string;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  readonly sha256: Uint8Array<ArrayBuffer>;
  /** Layers that read it, embedding and head counted to the first and last: who holds one of them holds this. */
  readonly layers?: readonly number[];
}

/**
 * One range's bytes; the view may be part of a larger buffer, and is the reader's to keep or free. Not verified, unless it
 * says so: that is the reader's part.
 */
export interface TileRead {
  /** Index into the ranges that were asked for. */
  readonly index: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The source held the bytes against `sha256` itself, because it had to know whom to blame. */
  readonly checked?: true;
  /** Called by the reader when it is through with `bytes`: the source may use their memory again. */
  readonly done?: () => void;
}

export interface TileSource {
  /**
   * Yields each range once, in any order; the source may fetch neighbours together. Throws MODEL_UNAVAILABLE where the
   * bytes cannot be had, MODEL_CORRUPT where a file ends before a range, or the signal's reason.
   */
  read(ranges: readonly TileRange[], signal: AbortSignal): AsyncIterable<TileRead>;
  /** True where each `read` costs a pass over the whole file, so that much should be asked for at once. */
  readonly wholeFiles?: boolean;
}

/** A server, a hub or a folder with the whole model. */
export interface TileOrigin {
  /** As a person knows it: a host name, or the name of a folder. */
  readonly name: string;
  readonly source: TileSource;
}
