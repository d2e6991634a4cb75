// What a span was given, as one short hash a position: how a replay is held against what was accepted before.
import { sha256 } from "@noble/hashes/sha2.js";
import { rowBytes, sliceRows } from "../protocol/boundary-rows.ts";
import type { BoundaryTensor } from "../protocol/span-plan.ts";

/** Bytes kept of each position's SHA-256: a replay is compared with one hash, not searched for a collision. */
const ROW_HASH_BYTES = 16;

/** Hashes of the hidden states that one session gave this span, by position. */
export class InputLog {
  readonly #boundary: readonly BoundaryTensor[];
  #hashes: Uint8Array<ArrayBuffer>[] = [];

  /** `boundary` is empty for the first span, whose input the running hash names already: nothing is kept then. */
  constructor(boundary: readonly BoundaryTensor[]) {
    this.#boundary = boundary;
  }

  /** Notes what positions `position` to `position + count` were given. */
  note(position: number, payload: Uint8Array, count: number): void {
    if (this.#boundary.length === 0) return;
    for (let row = 0; row < count; row++) this.#hashes[position + row] = this.#hash(payload, count, row);
  }

  /** Whether the first `rows` of the payload's `count` positions were the same before; those that are not noted count as equal. */
  matches(position: number, payload: Uint8Array, count: number, rows: number): boolean {
    for (let row = 0; row < rows; row++) {
      const known = this.#hashes[position + row];
      if (known === undefined) continue;
      const hash = this.#hash(payload, count, row);
      for (let i = 0; i < ROW_HASH_BYTES; i++) if (known[i] !== hash[i]) return false;
    }
    return true;
  }

  /** Forgets what comes after `position`. */
  truncate(position: number): void {
    if (this.#hashes.length > position) this.#hashes.length = position;
  }

  #hash(payload: Uint8Array, count: number, row: number): Uint8Array<ArrayBuffer> {
    const [only, ...more] = this.#boundary;
    const bytes =
      only && more.length === 0
        ? payload.subarray(row * rowBytes(only), (row + 1) * rowBytes(only))
        : sliceRows(this.#boundary, payload, count, row, row + 1);
    return sha256(bytes).slice(0, ROW_HASH_BYTES);
  }
}
