// A span's inputs in one session, as a short hash a position. A replay is compared with them.
import type { BoundaryTensor } from "../../protocol/span-plan.ts";
import { bytesEqual } from "../../shared/bytes.ts";
import { hashRow, RowHashes } from "../log/row-hashes.ts";

export class InputLog {
  readonly #boundary: readonly BoundaryTensor[];
  readonly #hashes = new RowHashes();

  /** `boundary`: tensors of the payload. */
  constructor(boundary: readonly BoundaryTensor[]) {
    this.#boundary = boundary;
  }

  /** Notes the inputs of positions `position` to `position + count`. */
  note(position: number, payload: Uint8Array, count: number): void {
    for (let row = 0; row < count; row++) this.#hashes.set(position + row, hashRow(this.#boundary, payload, count, row));
  }

  /**
   * Whether the first `rows` of the payload's `count` positions are the inputs of before. Positions that are not noted
   * count as equal.
   */
  matches(position: number, payload: Uint8Array, count: number, rows: number): boolean {
    for (let row = 0; row < rows; row++) {
      const known = this.#hashes.at(position + row);
      if (known === undefined) continue;
      if (!bytesEqual(hashRow(this.#boundary, payload, count, row), known)) return false;
    }
    return true;
  }

  /** Forgets the positions after `position`. */
  truncate(position: number): void {
    this.#hashes.truncate(position);
  }

  /** Returns the hash of one position's input; undefined if it is not noted. */
  at(position: number): Uint8Array<ArrayBuffer> | undefined {
    return this.#hashes.at(position);
  }

  /** SHA-256 over the hashes of positions `[from, to)`. */
  root(from: number, to: number): Uint8Array<ArrayBuffer> {
    return this.#hashes.root(from, to);
  }
}
