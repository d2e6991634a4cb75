// The logits that a last span sent, by position: a hash of each row, and the newest rows as they were.
import { RecentMap } from "../../shared/recent-map.ts";
import { hashBytes, RowHashes } from "./row-hashes.ts";

const DEFAULTS = Object.freeze({
  /** Rows that are kept as they were, to compare a peer of another class with. Half a KiB to 8 KiB each. */
  rows: 64,
});

export class LogitsLog {
  readonly #hashes = new RowHashes();
  /** By position. */
  readonly #rows = new RecentMap<number, Uint8Array<ArrayBuffer>>(DEFAULTS.rows);

  /** Notes the rows of the last positions before `end`, as a frame carries them, oldest first. Returns their hashes. */
  note(end: number, rows: readonly Uint8Array<ArrayBuffer>[]): readonly Uint8Array[] {
    const hashes = rows.map(hashBytes);
    const first = end - rows.length;
    for (const [index, hash] of hashes.entries()) this.#hashes.set(first + index, hash);
    for (const [index, row] of rows.entries()) this.#rows.set(first + index, row);
    return hashes;
  }

  /** Forgets the positions after `position`. */
  truncate(position: number): void {
    this.#hashes.truncate(position);
    for (const kept of [...this.#rows.keys()]) if (kept >= position) this.#rows.delete(kept);
  }

  /** SHA-256 over the hashes of positions `[from, to)`; those without logits count as zeros. */
  root(from: number, to: number): Uint8Array<ArrayBuffer> {
    return this.#hashes.root(from, to);
  }

  /** Returns the row of `position`; undefined if there is none, or if it is too old. */
  at(position: number): Uint8Array<ArrayBuffer> | undefined {
    return this.#rows.get(position);
  }

  /** Positions whose rows are here, ascending. */
  get positions(): readonly number[] {
    return [...this.#rows.keys()].toSorted((a, b) => a - b);
  }
}
