// Hashes of a span's inputs or outputs, by position, and one hash over many of them. Peers compare these.
import { sha256 } from "@noble/hashes/sha2.js";
import { sliceRows } from "../../protocol/boundary-rows.ts";
import { type BoundaryTensor, rowBytes } from "../../protocol/span-plan.ts";

/**
 * Bytes that are kept of each position's SHA-256. Half of it is enough: a forger needs a second preimage, not any
 * collision.
 */
export const ROW_HASH_BYTES = 16;

const NOTHING = new Uint8Array(ROW_HASH_BYTES);

/** The input of the first span: an int32 a position. */
export const TOKEN_BOUNDARY: readonly BoundaryTensor[] = [{ name: "tokens", type: "float32", width: 1 }];

/** Hash of the bytes of one position. */
export const hashBytes = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => sha256(bytes).slice(0, ROW_HASH_BYTES);

/** Hash of position `row` of a payload of `count`. */
export function hashRow(boundary: readonly BoundaryTensor[], payload: Uint8Array, count: number, row: number): Uint8Array<ArrayBuffer> {
  const [only, ...more] = boundary;
  return hashBytes(
    only && more.length === 0
      ? payload.subarray(row * rowBytes(only), (row + 1) * rowBytes(only))
      : sliceRows(boundary, payload, count, row, row + 1),
  );
}

/** SHA-256 over the hashes of positions, in order. Positions without a hash count as zeros. 32 bytes. */
export function rootOf(hashes: Iterable<Uint8Array | undefined>): Uint8Array<ArrayBuffer> {
  const all = sha256.create();
  for (const hash of hashes) all.update(hash ?? NOTHING);
  return new Uint8Array(all.digest());
}

/** The hashes of one side of one session. */
export class RowHashes {
  #hashes: (Uint8Array<ArrayBuffer> | undefined)[] = [];

  at(position: number): Uint8Array<ArrayBuffer> | undefined {
    return this.#hashes[position];
  }

  set(position: number, hash: Uint8Array<ArrayBuffer>): void {
    this.#hashes[position] = hash;
  }

  /** Forgets the positions after `position`. */
  truncate(position: number): void {
    if (this.#hashes.length > position) this.#hashes.length = position;
  }

  /** Over positions `[from, to)`. */
  root(from: number, to: number): Uint8Array<ArrayBuffer> {
    return rootOf(Array.from({ length: to - from }, (_, index) => this.#hashes[from + index]));
  }
}
