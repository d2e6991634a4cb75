// Kind `sum`: adds whole numbers exactly, and floats block by block in a fixed order, so that every machine gets the
// same bits.
import * as v from "valibot";
import { checkFloats, checkWholes, cutByBytes, readFloats, readWholes, writeFloats, writeWholes } from "./number-bytes.ts";
import { badInput, readParams, type RunContext, type KindCode, type TaskPart } from "../task-kind.ts";

export const SUM_LIMITS = Object.freeze({
  /**
   * Numbers in a block. The sum of floats depends on it: each block is summed from left to right, then the sums of the
   * blocks are.
   */
  block: 65_536,
  /** Bytes of whole numbers in one part, as text. */
  partBytes: 512 * 1024,
  /** Numbers between two signs of progress. */
  stride: 8192,
});

/**
 * Whole numbers are added exactly. Floats are added in blocks of 65,536, left to right, and then the sums of the
 * blocks.
 */
export type SumData = { readonly floats: ArrayLike<number> } | { readonly wholes: readonly bigint[] };

const Params = v.strictObject({ numbers: v.picklist(["floats", "wholes"]) });

/** Value: the sum, of the type of the numbers; 0 for no numbers. NaN and infinities follow IEEE 754. */
export const sum: KindCode<SumData, number | bigint> = {
  split(data) {
    if ("floats" in data) {
      const parts: TaskPart[] = [];
      const all = checkFloats(data.floats);
      for (let at = 0; at < all.length; at += SUM_LIMITS.block)
        parts.push({ params: { numbers: "floats" }, input: writeFloats(all.subarray(at, at + SUM_LIMITS.block)) });
      return parts;
    }
    const runs = cutByBytes(checkWholes(data.wholes), SUM_LIMITS.block, SUM_LIMITS.partBytes, (number) => number.toString().length + 1);
    return [...runs].map((run) => ({ params: { numbers: "wholes" }, input: writeWholes(run) }));
  },

  async run({ params, input }, context) {
    if (readParams(Params, params).numbers === "floats") return writeFloats([addFloats(readFloats(input), context)]);
    let total = 0n;
    readWholes(input).forEach((number, at) => {
      tick(at, context);
      total += number;
    });
    return writeWholes([total]);
  },

  join(data, outputs) {
    if ("floats" in data) {
      return outputs.reduce((total, output) => {
        const numbers = readFloats(output);
        if (numbers.length !== 1) throw badInput("a block has one sum");
        return total + (numbers[0] as number); // its length was just checked
      }, 0);
    }
    return outputs.reduce((total, output) => {
      const [number, more] = readWholes(output);
      if (number === undefined || more !== undefined) throw badInput("a block has one sum");
      return total + number;
    }, 0n);
  },

  weigh: ({ params, input }) =>
    Math.max(1, Math.ceil((readParams(Params, params).numbers === "floats" ? input.byteLength / 8 : countLines(input)) / 1000)),
};

function addFloats(numbers: Float64Array, context: RunContext): number {
  let total = 0;
  numbers.forEach((number, at) => {
    tick(at, context);
    total += number;
  });
  return total;
}

function tick(at: number, { signal, progress }: RunContext): void {
  if (at % SUM_LIMITS.stride !== 0) return;
  signal.throwIfAborted();
  progress();
}

const NEWLINE = 10;
const countLines = (bytes: Uint8Array): number => bytes.reduce((count, byte) => count + (byte === NEWLINE ? 1 : 0), 1);
