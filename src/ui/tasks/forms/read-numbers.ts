// Reads numbers and matrices that a person pasted: whole numbers exactly, others as 64-bit floats. Pure.
import { plural } from "../../parts/format.ts";
import { type Wrong, wrong } from "./form.ts";

/** Whole numbers with more digits take seconds to read. */
const DIGITS_MAX = 10_000;

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const WHOLE = /^[+-]?\d+$/;

/** `wholes` if every number is whole, else `floats`. */
export type Numbers = { readonly wholes: readonly bigint[] } | { readonly floats: readonly number[] };

const gap = /[\s,;]+/;

/** Reads numbers that are separated by white space, commas or semicolons, on any number of lines. */
export function readNumbers(text: string, field: string): Numbers | { readonly wrong: Wrong } {
  const words: string[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    for (const word of line.split(gap)) {
      if (word === "") continue;
      const trouble = troubleWith(word);
      if (trouble !== undefined) return wrong(field, `Line ${at + 1}: ${trouble}`);
      words.push(word);
    }
  }
  if (words.length === 0) return wrong(field, "Paste some numbers first, or take an example.");
  return words.every((word) => WHOLE.test(word)) ? { wholes: words.map(toWhole) } : { floats: words.map(Number) };
}

export interface PastedMatrix<T> {
  readonly rows: number;
  readonly columns: number;
  /** Row-major. */
  readonly elements: readonly T[];
}

/** Reads one row per line, its numbers separated by white space, commas or semicolons; all rows are equally long. */
export function readMatrix(text: string, field: string): PastedMatrix<string> | { readonly wrong: Wrong } {
  const elements: string[] = [];
  let [rows, columns] = [0, 0];
  for (const [at, line] of text.split("\n").entries()) {
    const words = line.split(gap).filter((word) => word !== "");
    if (words.length === 0) continue;
    const trouble = words.map(troubleWith).find((found) => found !== undefined);
    if (trouble !== undefined) return wrong(field, `Line ${at + 1}: ${trouble}`);
    if (rows > 0 && words.length !== columns)
      return wrong(field, `Line ${at + 1} has ${plural(words.length, "number")}, the first row has ${columns}: they must be equal.`);
    columns = words.length;
    rows += 1;
    for (const word of words) elements.push(word);
  }
  return rows === 0 ? wrong(field, "Paste a matrix first: one row per line.") : { rows, columns, elements };
}

/** Returns both as whole numbers if both are whole, since their product is then exact; else both as floats. */
export function asNumbers(
  left: PastedMatrix<string>,
  right: PastedMatrix<string>,
):
  | { readonly wholes: readonly [PastedMatrix<bigint>, PastedMatrix<bigint>] }
  | { readonly floats: readonly [PastedMatrix<number>, PastedMatrix<number>] } {
  const are = (pattern: RegExp): boolean => [left, right].every(({ elements }) => elements.every((word) => pattern.test(word)));
  const both = <T>(read: (word: string) => T): readonly [PastedMatrix<T>, PastedMatrix<T>] => [
    { ...left, elements: left.elements.map(read) },
    { ...right, elements: right.elements.map(read) },
  ];
  return are(WHOLE) ? { wholes: both(toWhole) } : { floats: both(Number) };
}

/** `BigInt` refuses a leading plus. */
const toWhole = (word: string): bigint => BigInt(word.replace(/^\+/, ""));

function troubleWith(word: string): string | undefined {
  const shown = word.length > 24 ? `${word.slice(0, 23)}…` : word;
  if (!DECIMAL.test(word)) return `“${shown}” is not a number.`;
  if (word.length > DIGITS_MAX) return `“${shown}” has more than ${DIGITS_MAX.toLocaleString("en")} digits.`;
  if (!WHOLE.test(word) && !Number.isFinite(Number(word))) return `“${shown}” is too large for a 64-bit number.`;
  return undefined;
}
