// Hashes weights tile by tile as a file streams by, with one tile of each weight in memory at a time.
import { TILE_BYTES } from "../../src/model/tiles/manifest.ts";
import { sha256 } from "../../src/model/tiles/sha256.ts";

/** Computes the SHA-256 of each tile of one weight, whose bytes are pushed in order. */
export class TileHasher {
  readonly #length: number;
  #tile: Uint8Array<ArrayBuffer>;
  #filled = 0;
  #seen = 0;
  readonly tiles: Uint8Array<ArrayBuffer>[] = [];

  /** `length` is the weight's length in bytes. */
  constructor(length: number) {
    this.#length = length;
    this.#tile = new Uint8Array(Math.min(TILE_BYTES, length));
  }

  get isWhole(): boolean {
    return this.#seen === this.#length;
  }

  async push(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      const part = bytes.subarray(at, at + this.#tile.byteLength - this.#filled);
      this.#tile.set(part, this.#filled);
      this.#filled += part.byteLength;
      this.#seen += part.byteLength;
      at += part.byteLength;
      if (this.#filled < this.#tile.byteLength) return;
      this.tiles.push(await sha256(this.#tile));
      this.#filled = 0;
      if (this.#length - this.#seen < this.#tile.byteLength) this.#tile = new Uint8Array(this.#length - this.#seen);
    }
  }
}

/** The range of a weight in a file. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface HashedFile {
  /** SHA-256 of each tile, by range; a range has fewer if the file ends before. */
  readonly tiles: readonly (readonly Uint8Array<ArrayBuffer>[])[];
  /** Bytes of the whole file. */
  readonly size: number;
}

/** Reads `stream` once to its end. Ranges may overlap and may come in any order. */
export async function hashRanges(stream: AsyncIterable<Uint8Array>, ranges: readonly ByteRange[]): Promise<HashedFile> {
  const hashers = ranges.map(({ offset, length }) => ({ offset, end: offset + length, hasher: new TileHasher(length) }));
  const waiting = hashers.toSorted((a, b) => a.offset - b.offset);
  let active: typeof waiting = [];
  let size = 0;
  for await (const chunk of stream) {
    const end = size + chunk.byteLength;
    const start = size;
    while ((waiting[0]?.offset ?? Infinity) < end) active.push(...waiting.splice(0, 1));
    for (const { offset, end: rangeEnd, hasher } of active)
      await hasher.push(chunk.subarray(Math.max(0, offset - start), Math.min(end, rangeEnd) - start));
    active = active.filter((range) => range.end > end);
    size = end;
  }
  return { tiles: hashers.map(({ hasher }) => hasher.tiles), size };
}
