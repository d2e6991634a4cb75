// Numbers as bytes: floats as f64 little-endian with one NaN for all, and whole numbers of any size as decimal lines.
import { badInput, type Bytes } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Digits of one whole number. Reading time grows with their square; this many take well under a millisecond. */
  digits: 10_000,
});

const NAN_HIGH = 0x7ff80000;
const WHOLE = /^-?\d+$/;

/** f64 little-endian. Every NaN becomes the same one, because the rest of its bits differ from machine to machine. */
export function writeFloats(numbers: ArrayLike<number>): Bytes {
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  for (let at = 0; at < numbers.length; at++) {
    const number = numbers[at] as number; // inside the array
    if (Number.isNaN(number)) view.setUint32(8 * at + 4, NAN_HIGH, true);
    else view.setFloat64(8 * at, number, true);
  }
  return new Uint8Array(view.buffer);
}

/** Checks what a person or program gave as floats. Throws BAD_INPUT if an element is no number. */
export function checkFloats(numbers: ArrayLike<number>): Float64Array {
  if (numbers instanceof Float64Array) return numbers;
  for (let at = 0; at < numbers.length; at++)
    if (typeof numbers[at] !== "number")
      throw badInput(`number ${at + 1} of ${numbers.length} is not a number but a ${typeof numbers[at]}`);
  return Float64Array.from(numbers);
}

/**
 * Checks what a person or program gave as whole numbers. Throws BAD_INPUT if an element is no BigInt, or has too many
 * digits.
 */
export function checkWholes(numbers: readonly bigint[]): readonly bigint[] {
  numbers.forEach((number, at) => {
    if (typeof number !== "bigint") throw badInput(`whole number ${at + 1} of ${numbers.length} is not a BigInt but a ${typeof number}`);
    if (number.toString().length > DEFAULTS.digits) throw badInput(`whole number ${at + 1} has more than ${DEFAULTS.digits} digits`);
  });
  return numbers;
}

/** Throws BAD_INPUT if the bytes are not a whole count of numbers. */
export function readFloats(bytes: Bytes): Float64Array {
  if (bytes.byteLength % 8 !== 0) throw badInput("numbers are 8 bytes each");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float64Array(bytes.byteLength / 8);
  for (let at = 0; at < out.length; at++) out[at] = view.getFloat64(8 * at, true);
  return out;
}

const encoder = new TextEncoder();

export const writeWholes = (numbers: readonly bigint[]): Bytes => encoder.encode(numbers.join("\n"));

/** Throws BAD_INPUT if a line is not a whole number, or has too many digits. */
export function readWholes(bytes: Bytes): bigint[] {
  if (bytes.byteLength === 0) return [];
  return readText(bytes)
    .split("\n")
    .map((line) => {
      if (line.length > DEFAULTS.digits || !WHOLE.test(line)) throw badInput("not a whole number within the limits");
      return BigInt(line);
    });
}

/** Throws BAD_INPUT if the bytes are not UTF-8. */
export function readText(bytes: Bytes): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badInput("not UTF-8"); // the decoder has nothing more to say
  }
}

/** Yields runs of at most `count` items and about `bytes` bytes; an item that is larger stands alone. */
export function* cutByBytes<Item>(items: readonly Item[], count: number, bytes: number, sizeOf: (item: Item) => number): Generator<Item[]> {
  let run: Item[] = [];
  let size = 0;
  for (const item of items) {
    const own = sizeOf(item);
    if (run.length > 0 && (run.length === count || size + own > bytes)) {
      yield run;
      run = [];
      size = 0;
    }
    run.push(item);
    size += own;
  }
  if (run.length > 0) yield run;
}
