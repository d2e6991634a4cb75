// Sums, products and sorted lists against other computations: exact fractions, naive loops, the platform's own sort.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorCode } from "../../../src/shared/errors.ts";
import { mean } from "../../../src/tasks/kinds/mean.ts";
import { multiply } from "../../../src/tasks/kinds/multiply.ts";
import { sort } from "../../../src/tasks/kinds/sort.ts";
import { sum, SUM_LIMITS } from "../../../src/tasks/kinds/sum.ts";
import { runWhole } from "./run-whole.ts";

const codeOf = async (act: () => unknown): Promise<unknown> => {
  try {
    await act();
    return "nothing thrown";
  } catch (error) {
    return errorCode(error);
  }
};

/** A float as a whole multiple of 2^-1074, which is exact. */
function exact(number: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 2047n);
  const mantissa = (bits & ((1n << 52n) - 1n)) | (exponent === 0 ? 0n : 1n << 52n);
  const size = mantissa << BigInt(Math.max(0, exponent - 1));
  return bits >> 63n === 1n ? -size : size;
}

const whole = fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n });
const small = fc.integer({ min: -1000, max: 1000 });

describe("mean", () => {
  it("of whole numbers is the nearest double to the exact mean", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(whole, { minLength: 1, maxLength: 300 }), async (wholes) => {
        const value = await runWhole(mean, { wholes });
        const total = wholes.reduce((all, each) => all + each, 0n);
        // Distances in units of 2^-1074 / count: no double beside the value is nearer.
        const off = (number: number): bigint => {
          const error = exact(number) * BigInt(wholes.length) - (total << 1074n);
          return error < 0n ? -error : error;
        };
        const step = Math.max(Math.abs(value) * Number.EPSILON, Number.MIN_VALUE);
        for (const other of [value - step, value + step]) expect(off(value) <= off(other)).toBe(true);
      }),
    );
  });

  it("of floats is their sum in its fixed order, divided by their count", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double(), { minLength: 1, maxLength: 200 }), async (floats) => {
        expect(await runWhole(mean, { floats })).toBe(((await runWhole(sum, { floats })) as number) / floats.length);
      }),
    );
  });

  it("of no numbers is refused", async () => {
    expect(await codeOf(() => mean.split({ floats: [] }))).toBe("BAD_INPUT");
    expect(await codeOf(() => mean.split({ wholes: [] }))).toBe("BAD_INPUT");
  });
});

describe("sum", () => {
  it("of whole numbers is exact", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(whole, { maxLength: 300 }), async (wholes) => {
        let expected = 0n;
        for (const number of wholes.toReversed()) expected += number;
        expect(await runWhole(sum, { wholes })).toBe(expected);
      }),
    );
  });

  it("of many large whole numbers takes several parts, and stays exact", async () => {
    const wholes = Array.from({ length: 9000 }, (_, at) => 7n ** BigInt(at % 100) * (at % 3 === 0 ? -1n : 1n));
    expect(sum.split({ wholes }).length).toBe(1);
    const wide = wholes.map((number) => number * 10n ** 200n + 1n);
    expect(sum.split({ wholes: wide }).length).toBeGreaterThan(2);
    expect(await runWhole(sum, { wholes: wide })).toBe(wholes.reduce((a, b) => a + b) * 10n ** 200n + 9000n);
  });

  it("of floats is as close to the exact sum as n roundings allow", async () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 });
    await fc.assert(
      fc.asyncProperty(fc.array(finite, { maxLength: 200 }), async (floats) => {
        const total = (await runWhole(sum, { floats })) as number;
        const truth = floats.reduce((all, each) => all + exact(each), 0n);
        const size = floats.reduce((all, each) => all + exact(Math.abs(each)), 0n);
        const error = exact(total) - truth;
        expect((error < 0n ? -error : error) * 2n ** 53n <= size * BigInt(2 * floats.length + 1)).toBe(true);
      }),
    );
  });

  it("of floats adds block by block, whichever peer adds which block", async () => {
    const floats = Float64Array.from(
      { length: 2 * SUM_LIMITS.block + 17 },
      (_, at) => Math.fround(1 / (at + 1)) * (at % 7 === 0 ? -1e8 : 1),
    );
    let expected = 0;
    for (let block = 0; block < 3; block++) {
      let own = 0;
      for (const number of floats.slice(block * SUM_LIMITS.block, (block + 1) * SUM_LIMITS.block)) own += number;
      expected += own;
    }
    expect(await runWhole(sum, { floats })).toBe(expected);
  });

  it("treats NaN and infinities as IEEE 754 does", async () => {
    expect(await runWhole(sum, { floats: [1, Infinity] })).toBe(Infinity);
    expect(await runWhole(sum, { floats: [Infinity, -Infinity] })).toBeNaN();
    expect(await runWhole(sum, { floats: [1, NaN] })).toBeNaN();
    expect(await runWhole(sum, { floats: [] })).toBe(0);
    expect(await runWhole(sum, { wholes: [] })).toBe(0n);
  });

  it("writes every NaN with the same bits", async () => {
    const odd = new Float64Array(new BigUint64Array([0xfff8000000000123n]).buffer);
    const [part] = sum.split({ floats: odd });
    expect([...(part?.input ?? [])]).toEqual([0, 0, 0, 0, 0, 0, 0xf8, 0x7f]);
  });

  it("refuses input that is not numbers", async () => {
    const context = { signal: new AbortController().signal, progress: () => {} };
    const input = new TextEncoder().encode("12\n1.5");
    expect(await codeOf(() => sum.run({ params: { numbers: "wholes" }, input }, context))).toBe("BAD_INPUT");
    expect(await codeOf(() => sum.run({ params: { numbers: "floats" }, input: new Uint8Array(9) }, context))).toBe("BAD_INPUT");
    expect(await codeOf(() => sum.run({ params: { numbers: "roman" }, input }, context))).toBe("BAD_INPUT");
    const long = new TextEncoder().encode("9".repeat(10_001));
    expect(await codeOf(() => sum.run({ params: { numbers: "wholes" }, input: long }, context))).toBe("BAD_INPUT");
  });
});

const shape = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 70 }));

describe("multiply", () => {
  it("of whole numbers equals the sum over columns and rows", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.infiniteStream(whole), async ([rows, inner, columns], numbers) => {
        const draw = (count: number): bigint[] => Array.from({ length: count }, () => numbers.next().value);
        const left = { rows, columns: inner, elements: draw(rows * inner) };
        const right = { rows: inner, columns, elements: draw(inner * columns) };
        const expected = new Array<bigint>(rows * columns).fill(0n);
        // Outer products give the same sums in another order.
        for (let k = 0; k < inner; k++)
          for (let r = 0; r < rows; r++)
            for (let c = 0; c < columns; c++)
              expected[r * columns + c] =
                (expected[r * columns + c] ?? 0n) + (left.elements[r * inner + k] ?? 0n) * (right.elements[k * columns + c] ?? 0n);
        expect((await runWhole(multiply, { wholes: [left, right] })).elements).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  it("of floats is, bit for bit, the sum from the first product to the last", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.infiniteStream(fc.double()), async ([rows, inner, columns], numbers) => {
        const draw = (count: number): Float64Array => Float64Array.from({ length: count }, () => numbers.next().value);
        const left = { rows, columns: inner, elements: draw(rows * inner) };
        const right = { rows: inner, columns, elements: draw(inner * columns) };
        const product = await runWhole(multiply, { floats: [left, right] });
        for (let r = 0; r < rows; r++)
          for (let c = 0; c < columns; c++) {
            let expected = 0;
            for (let k = 0; k < inner; k++) expected += (left.elements[r * inner + k] ?? 0) * (right.elements[k * columns + c] ?? 0);
            expect(Object.is(product.elements[r * columns + c], expected)).toBe(true);
          }
      }),
      { numRuns: 15 },
    );
  });

  it("refuses matrices that do not fit each other, or themselves", async () => {
    const side = (rows: number, columns: number, count = rows * columns) => ({ rows, columns, elements: new Float64Array(count) });
    expect(await codeOf(() => multiply.split({ floats: [side(2, 3), side(2, 3)] }))).toBe("BAD_INPUT");
    expect(await codeOf(() => multiply.split({ floats: [side(2, 3, 5), side(3, 2)] }))).toBe("BAD_INPUT");
    expect(await codeOf(() => multiply.split({ floats: [side(0, 3), side(3, 2)] }))).toBe("BAD_INPUT");
    expect(await codeOf(() => multiply.split({ floats: [side(1, 65_537), side(65_537, 1)] }))).toBe("BAD_INPUT");
  });

  it("refuses an input that is not the two factors", async () => {
    const part = { params: { numbers: "floats", rows: 2, inner: 2, columns: 2 }, input: new Uint8Array(56) };
    expect(await codeOf(() => multiply.run(part, { signal: new AbortController().signal, progress: () => {} }))).toBe("BAD_INPUT");
  });
});

describe("sort", () => {
  it("puts numbers in the platform's order: -0 before 0, and NaN last", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.double(), small, fc.constantFrom(NaN, -0, 0, Infinity, -Infinity))), async (numbers) => {
        const sorted = await runWhole(sort, { numbers });
        const expected = Float64Array.from(numbers).sort();
        expect(sorted.length).toBe(expected.length);
        expect(expected.every((number, at) => Object.is(number, sorted[at]))).toBe(true);
      }),
    );
  });

  it("puts strings in the order of their code units", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "binary" })), async (strings) => {
        expect(await runWhole(sort, { strings })).toEqual(strings.toSorted());
      }),
    );
  });

  it("takes several buckets, and merges runs if one value fills a bucket", async () => {
    const many = Float64Array.from({ length: 200_000 }, (_, at) => (Math.imul(at, 2654435761) >>> 0) / 3);
    expect(sort.split({ numbers: many }).length).toBeGreaterThan(3);
    expect(await runWhole(sort, { numbers: many })).toEqual(many.toSorted());
    const same = Float64Array.from({ length: 150_000 }, (_, at) => (at % 50 === 0 ? at : 5));
    expect(await runWhole(sort, { numbers: same })).toEqual(same.toSorted());
  });

  it("refuses strings that UTF-8 cannot hold, or that are too long", async () => {
    expect(await codeOf(() => sort.split({ strings: ["\ud800"] }))).toBe("BAD_INPUT");
    expect(await codeOf(() => sort.split({ strings: ["a".repeat(65_537)] }))).toBe("BAD_INPUT");
  });

  it("refuses a run that comes back shorter", async () => {
    expect(await codeOf(() => sort.join({ numbers: [3, 1] }, [new Uint8Array(8)]))).toBe("BAD_INPUT");
  });
});
