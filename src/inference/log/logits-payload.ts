// Top logits as the payload of a frame, a row for each position: int32 ids, f32 logits, f32 log-sum-exp, all
// little-endian.
import type { TopLogits } from "../../engine/contract.ts";
import { concatBytes } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";

/** Bytes of `logits`: 8 for each candidate and 4 for the log-sum-exp. */
export function encodeLogits(logits: TopLogits): Uint8Array<ArrayBuffer> {
  const count = logits.ids.length;
  const bytes = new Uint8Array(8 * count + 4);
  const view = new DataView(bytes.buffer);
  logits.ids.forEach((id, index) => view.setInt32(4 * index, id, true));
  logits.values.forEach((value, index) => view.setFloat32(4 * (count + index), value, true));
  view.setFloat32(8 * count, logits.logSumExp, true);
  return bytes;
}

/**
 * Reads `count` candidates. Throws FRAME_MALFORMED if the size is wrong, an id is outside the vocabulary, or logits do
 * not fall.
 */
export function decodeLogits(payload: Uint8Array, count: number, vocabularySize: number): TopLogits {
  if (payload.byteLength !== 8 * count + 4)
    throw new ManyhandsError("FRAME_MALFORMED", `${payload.byteLength} bytes are not ${count} candidates`);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const ids = Int32Array.from({ length: count }, (_, index) => view.getInt32(4 * index, true));
  const values = Float32Array.from({ length: count }, (_, index) => view.getFloat32(4 * (count + index), true));
  for (const [index, id] of ids.entries()) {
    const value = values[index] ?? Number.NaN;
    const before = values[index - 1] ?? Infinity;
    if (id < 0 || id >= vocabularySize || !(value <= before))
      throw new ManyhandsError("FRAME_MALFORMED", "the candidates are not ordered tokens of this vocabulary");
  }
  return { ids, values, logSumExp: view.getFloat32(8 * count, true) };
}

/**
 * Several rows, one after the other. Throws ENGINE_FAILED if they differ in their number of candidates, which happens
 * when some logits are not numbers and were left out.
 */
export function encodeLogitRows(rows: readonly TopLogits[]): Uint8Array<ArrayBuffer> {
  if (rows.some(({ ids }) => ids.length !== rows[0]?.ids.length))
    throw new ManyhandsError("ENGINE_FAILED", "the model gave values that are no numbers");
  return concatBytes(rows.map(encodeLogits));
}

/** Reads `rows` rows of `count` candidates. Throws as decodeLogits does. */
export function decodeLogitRows(payload: Uint8Array, rows: number, count: number, vocabularySize: number): TopLogits[] {
  const size = 8 * count + 4;
  if (payload.byteLength !== rows * size)
    throw new ManyhandsError("FRAME_MALFORMED", `${payload.byteLength} bytes are not ${rows} rows of ${count} candidates`);
  return Array.from({ length: rows }, (_, row) => decodeLogits(payload.subarray(row * size, (row + 1) * size), count, vocabularySize));
}

/** Returns the rows of a payload as they are, oldest first. */
export function splitLogitRows(payload: Uint8Array, rows: number): readonly Uint8Array<ArrayBuffer>[] {
  const size = rows === 0 ? 0 : payload.byteLength / rows;
  return Array.from({ length: rows }, (_, row) => payload.slice(row * size, (row + 1) * size));
}
