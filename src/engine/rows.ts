// Parts of a boundary by rows: its tensors lie one after the other, so the first rows of all are not the first bytes.
import type { BoundaryTensor } from "../protocol/span-plan.ts";
import { concatBytes } from "../shared/bytes.ts";

const rowBytes = ({ width, type }: BoundaryTensor): number => width * (type === "float16" ? 2 : 4);

/** Rows `[0, before)` and `[before, count)` of `bytes`, each laid out as a boundary of its own. */
export function splitRows(
  bytes: Uint8Array<ArrayBuffer>,
  boundary: readonly BoundaryTensor[],
  count: number,
  before: number,
): readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  const first: Uint8Array<ArrayBuffer>[] = [];
  const second: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const tensor of boundary) {
    const row = rowBytes(tensor);
    first.push(bytes.subarray(offset, offset + before * row));
    second.push(bytes.subarray(offset + before * row, offset + count * row));
    offset += count * row;
  }
  return [concatBytes(first), concatBytes(second)];
}

/** The other way round: `firstCount` rows, then `secondCount` rows. */
export function joinRows(
  boundary: readonly BoundaryTensor[],
  firstCount: number,
  first: Uint8Array<ArrayBuffer>,
  secondCount: number,
  second: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let [firstOffset, secondOffset] = [0, 0];
  for (const tensor of boundary) {
    const row = rowBytes(tensor);
    parts.push(
      first.subarray(firstOffset, firstOffset + firstCount * row),
      second.subarray(secondOffset, secondOffset + secondCount * row),
    );
    firstOffset += firstCount * row;
    secondOffset += secondCount * row;
  }
  return concatBytes(parts);
}
