// Half floats against the platform's own Float16Array, over random bit patterns and all special values.
import { describe, expect, it } from "vitest";
import { floatToHalf, HALF_MAX, halfToFloat, packHalves, unpackHalves } from "../../../src/shared/half-floats.ts";

/** The platform's conversion, as bits. */
const reference = (values: Float32Array): Uint16Array => new Uint16Array(new Float16Array(values).buffer);
const isNaNHalf = (half: number): boolean => (half & 0x7fff) > 0x7c00;

/** Xorshift: the test needs any bits, but the same ones in every run. */
function* words(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state >>> 0;
  }
}

describe("half floats", () => {
  it("rounds 4 million random bit patterns as the platform does", () => {
    const source = words(20_261_121);
    for (let chunk = 0; chunk < 40; chunk++) {
      const patterns = Uint32Array.from({ length: 100_000 }, () => source.next().value);
      const values = new Float32Array(patterns.buffer);
      const wanted = reference(values);
      let wrong = 0;
      for (const [index, value] of values.entries()) {
        const half = floatToHalf(value);
        const want = wanted[index] ?? 0;
        if (half !== want && !(isNaNHalf(half) && isNaNHalf(want))) wrong++;
      }
      expect(wrong).toBe(0);
    }
  });

  it("rounds values between two halves, at every pair of neighbours", () => {
    for (let half = 0; half < 0x7bff; half++) {
      const [low, high] = [halfToFloat(half), halfToFloat(half + 1)];
      const middle = (low + high) / 2;
      const values = Float32Array.of(low, middle, Math.fround(middle * (1 + 2 ** -20)), Math.fround(middle * (1 - 2 ** -20)), -middle);
      const wanted = reference(values);
      const got = Uint16Array.from(values, floatToHalf);
      if (got.join() !== wanted.join()) expect(got).toEqual(wanted);
    }
  });

  it("keeps every half, and knows one NaN", () => {
    for (let half = 0; half < 0x10000; half++) {
      const back = floatToHalf(halfToFloat(half));
      if (isNaNHalf(half)) expect(back).toBe(0x7e00);
      else if (back !== half) expect(back).toBe(half);
    }
  });

  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [Infinity, 0x7c00],
    [-Infinity, 0xfc00],
    [HALF_MAX, 0x7bff],
    [65519.996, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [1.5 * 2 ** -25, 0x0001],
    [1e-45, 0x0000],
  ])("%f is %i", (value, half) => expect(floatToHalf(value)).toBe(half));

  it("packs a hidden state, and refuses one that does not fit", () => {
    const values = Float32Array.of(1, -2.5, HALF_MAX, 3.0004883, Number.NaN, Infinity);
    const packed = packHalves(new Uint8Array(values.buffer));
    expect(packed?.byteLength).toBe(12);
    expect(new Float32Array(unpackHalves(packed ?? new Uint8Array()).buffer)).toEqual(Float32Array.from(new Float16Array(values)));
    expect(packHalves(new Uint8Array(Float32Array.of(70_000).buffer))).toBeUndefined();
  });
});
