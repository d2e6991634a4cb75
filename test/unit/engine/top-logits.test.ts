// The best candidates of a row, compared with sorting everything: with ties, special values and short rows.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { topLogits } from "../../../src/engine/top-logits.ts";

const bySorting = (row: Float32Array, k: number): number[] =>
  [...row.keys()]
    .filter((id) => !Number.isNaN(row[id]))
    .toSorted((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b)
    .slice(0, k);

describe("topLogits", () => {
  it("equals sorting the whole row, ties by rising id", () => {
    const value = fc.oneof(fc.float({ noNaN: false }), fc.integer({ min: -2, max: 2 }));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), fc.integer({ min: 1, max: 250 }), (values, k) => {
        const row = Float32Array.from(values);
        const top = topLogits(row, k);
        expect([...top.ids]).toEqual(bySorting(row, k));
        expect([...top.values]).toEqual(bySorting(row, k).map((id) => row[id]));
      }),
    );
  });

  it("gives the log-sum-exp of the whole row, without overflow", () => {
    expect(topLogits(Float32Array.of(1, 2, 3), 1).logSumExp).toBeCloseTo(Math.log(Math.E + Math.E ** 2 + Math.E ** 3), 6);
    expect(topLogits(Float32Array.of(1000, 1000), 2).logSumExp).toBeCloseTo(1000 + Math.log(2), 6);
  });

  it("has no candidates if there is no number", () => {
    expect(topLogits(Float32Array.of(Number.NaN, Number.NaN), 2)).toMatchObject({ ids: new Int32Array(0), logSumExp: -Infinity });
  });
});
