// Weights that are freed as a runtime reads them: nothing is freed before it is copied, and everything in the end.
import { expect, test } from "vitest";
import { DrainingBytes, DrainingQueue, freeBuffer } from "../../../src/engine/draining-bytes.ts";
import { shrinkableBytes } from "../../../src/shared/bytes.ts";

test("a file's memory is freed when the next one is read, and the last one's at the end", () => {
  const queue = new DrainingQueue();
  const data = [shrinkableBytes(8).fill(1), new Uint8Array(8).fill(2), shrinkableBytes(8).fill(3)];
  const sizes = () => data.map(({ buffer }) => buffer.byteLength);
  const files = data.map((bytes) => DrainingBytes.over(bytes, queue));
  expect(files.map(({ byteLength }) => byteLength)).toEqual([8, 8, 8]);
  const read = files.map((file, index) => {
    const copy = [...file.subarray(2, 6)];
    expect(sizes()).toEqual(data.map((_, other) => (other < index ? 0 : 8)));
    return copy;
  });
  expect(read).toEqual([
    [1, 1, 1, 1],
    [2, 2, 2, 2],
    [3, 3, 3, 3],
  ]);
  queue.drain();
  expect(sizes()).toEqual([0, 0, 0]);
});

test("the same file may be read in pieces", () => {
  const queue = new DrainingQueue();
  const file = DrainingBytes.over(shrinkableBytes(4).fill(7), queue);
  expect([...file.subarray(0, 2), ...file.subarray(2, 4)]).toEqual([7, 7, 7, 7]);
});

test("a shrinkable buffer is freed even if something else refers to it; freeing it twice does no harm", () => {
  const bytes = shrinkableBytes(16);
  const other = new Uint8Array(bytes.buffer);
  freeBuffer(bytes.buffer);
  freeBuffer(bytes.buffer);
  expect(other.byteLength).toBe(0);
});
