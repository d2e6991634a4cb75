// Rows of candidates as bytes and back, and bytes that are refused.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TopLogits } from "../../../src/engine/contract.ts";
import { decodeLogitRows, decodeLogits, encodeLogitRows, encodeLogits } from "../../../src/inference/log/logits-payload.ts";

const VOCABULARY = 1000;
const row = (count: number): fc.Arbitrary<TopLogits> =>
  fc
    .record({
      ids: fc.uniqueArray(fc.nat(VOCABULARY - 1), { minLength: count, maxLength: count }),
      values: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: count, maxLength: count }),
      logSumExp: fc.float({ noNaN: true, noDefaultInfinity: true }),
    })
    .map(({ ids, values, logSumExp }) => ({
      ids: Int32Array.from(ids),
      values: Float32Array.from(values).toSorted((a, b) => b - a),
      logSumExp,
    }));
const rows = fc.integer({ min: 1, max: 9 }).chain((count) => fc.array(row(count), { minLength: 1, maxLength: 9 }));

describe("rows of logits", () => {
  it("come back as they went, and a single row is encoded like one of several", () => {
    fc.assert(
      fc.property(rows, (given) => {
        const [first] = given;
        if (first === undefined) return;
        const count = first.ids.length;
        expect(decodeLogitRows(encodeLogitRows(given), given.length, count, VOCABULARY)).toEqual(given);
        expect(encodeLogitRows([first])).toEqual(encodeLogits(first));
        expect(decodeLogits(encodeLogits(first), count, VOCABULARY)).toEqual(first);
      }),
    );
  });

  it("are refused if the bytes do not fit their number, or a token is outside the vocabulary", () => {
    const good: TopLogits = { ids: Int32Array.of(3, 4), values: Float32Array.of(2, 1), logSumExp: 3 };
    const bytes = encodeLogitRows([good, good]);
    expect(() => decodeLogitRows(bytes, 1, 2, VOCABULARY)).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
    expect(() => decodeLogitRows(bytes.subarray(1), 2, 2, VOCABULARY)).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
    expect(() => decodeLogitRows(bytes, 2, 2, 4)).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
  });

  it("are not sent if they differ in length", () => {
    const one: TopLogits = { ids: Int32Array.of(3), values: Float32Array.of(2), logSumExp: 3 };
    const none: TopLogits = { ids: new Int32Array(0), values: new Float32Array(0), logSumExp: -Infinity };
    expect(() => encodeLogitRows([one, none])).toThrow(expect.objectContaining({ code: "ENGINE_FAILED" }));
  });
});
