// How much memory a span takes, and which spans are refused before they crash a tab.
import { expect, test } from "vitest";
import { memoryNeed, whyTooLarge } from "../../../src/model/memory-need.ts";

const GIB = 1024 ** 3;
const model = {
  layerCount: 4,
  layerBytes: [GIB, GIB, GIB, GIB],
  embeddingBytes: GIB / 2,
  headBytes: GIB / 2,
  dtype: "fp32",
  layerCost: [1, 1, 1, 1],
  headCost: 1,
};
const limits = { cacheBudgetBytes: GIB / 4, deviceBytes: undefined };

test("counts weights, caches and the peak while loading", () => {
  expect(memoryNeed(model, { start: 0, end: 1 }, limits)).toEqual({
    weightBytes: 1.5 * GIB,
    heldBytes: 1.5 * GIB,
    cacheBytes: GIB / 4,
    peakBytes: Math.ceil(1.5 * GIB * 1.3) + GIB / 4,
  });
});

test("refuses a span that WebAssembly cannot address or the device cannot hold", () => {
  const need = (start: number, end: number) => memoryNeed(model, { start, end }, limits);
  expect(whyTooLarge(need(1, 3), limits)).toBeUndefined();
  expect(whyTooLarge(need(0, 4), limits)).toMatch(/WebAssembly can hold 3\.5 GB/);
  expect(whyTooLarge(need(1, 3), { ...limits, deviceBytes: 4 * GIB })).toMatch(/this device has 4\.0 GB/);
  expect(whyTooLarge(need(1, 3), { ...limits, deviceBytes: 8 * GIB })).toBeUndefined();
});

test("counts 4-bit weights unpacked, unless they are too many to unpack", () => {
  const packed = {
    ...model,
    layerBytes: [1e8, 1e8, 1e8, 1e8],
    embeddingBytes: 0,
    headBytes: 1e7,
    dtype: "q4",
    layerCost: [2e8, 2e8, 2e8, 2e8],
    headCost: 1e7,
  };
  expect(memoryNeed(packed, { start: 0, end: 1 }, limits).heldBytes).toBe(8e8);
  expect(memoryNeed(packed, { start: 3, end: 4 }, limits)).toMatchObject({ weightBytes: 1.1e8, heldBytes: 8.4e8 });
  expect(memoryNeed(packed, { start: 0, end: 2 }, limits).heldBytes).toBe(2e8);
  expect(memoryNeed({ ...packed, dtype: "q4f16" }, { start: 0, end: 1 }, limits).heldBytes).toBe(1e8);
});
