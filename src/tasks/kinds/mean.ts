// Kind `mean`: the arithmetic mean of numbers. Its parts are those of `sum`; the joining divides by how many numbers
// there are.
import { badInput, type KindCode } from "../task-kind.ts";
import { sum, type SumData } from "./sum.ts";

/** Bits of a quotient that are more than a double keeps, so that its last bit is rounded once. */
const QUOTIENT_BITS = 66;

/** As for `sum`; at least one number. */
export type MeanData = SumData;

/**
 * Value: for floats the sum as `sum` gives it, divided by the count; for whole numbers the double that is nearest to
 * the exact
 * mean. NaN and infinities follow IEEE 754.
 */
export const mean: KindCode<MeanData, number> = {
  split(data) {
    if (countOf(data) === 0) throw badInput("no numbers have no mean: give at least one");
    return sum.split(data);
  },
  run: (part, context) => sum.run(part, context),
  join(data, outputs) {
    const total = sum.join(data, outputs);
    const count = countOf(data);
    return typeof total === "number" ? total / count : nearestQuotient(total, BigInt(count));
  },
  weigh: (part) => sum.weigh(part),
};

const countOf = (data: MeanData): number => ("floats" in data ? data.floats.length : data.wholes.length);

/**
 * The double nearest to `total / count`: `Number` rounds a whole quotient once, and the power of two changes no
 * digit.
 */
function nearestQuotient(total: bigint, count: bigint): number {
  const size = total < 0n ? -total : total;
  const shift = Math.max(0, QUOTIENT_BITS + count.toString(2).length - size.toString(2).length);
  const scaled = size << BigInt(shift);
  const quotient = Number((scaled / count) | (scaled % count === 0n ? 0n : 1n)) * 2 ** -shift;
  return total < 0n ? -quotient : quotient;
}
