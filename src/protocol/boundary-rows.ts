// Rows of a boundary's payload. Its tensors lie one after the other, so the first rows of
// all tensors are not the first bytes.
import { concatBytes } from "../shared/bytes.ts";
import { type BoundaryTensor, boundaryBytesPerPosition, rowBytes } from "./span-plan.ts";

/**
 * The positions `[from, to)` of a payload of `count` positions, as a payload: tensors one after the other, row-major.
 */
export function sliceRows(
  boundary: readonly BoundaryTensor[],
  payload: Uint8Array,
  count: number,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(boundaryBytesPerPosition(boundary) * (to - from));
  let read = 0;
  let written = 0;
  for (const bytes of boundary.map(rowBytes)) {
    out.set(payload.subarray(read + bytes * from, read + bytes * to), written);
    read += bytes * count;
    written += bytes * (to - from);
  }
  return out;
}

/** Joins two payloads into one: `firstCount` rows, then `secondCount` rows. */
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
