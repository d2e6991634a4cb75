// The forms for sums, means, sorting and products of matrices.
import type { TaskValueByKind } from "../../../node/face.ts";
import { type Filled, type KindForm, plainText, textOf, wrong } from "./form.ts";
import { asNumbers, readMatrix, readNumbers } from "./read-numbers.ts";
import { plural } from "../../parts/format.ts";

const EXAMPLE_COUNT = 200_000;
/** Rows and columns of the example matrices: the job has four times four parts. */
const EXAMPLE_SIDE = 200;

const random = (count: number, draw: () => number | string, glue: (at: number) => string): string => {
  let text = "";
  for (let at = 0; at < count; at++) text += `${draw()}${glue(at)}`;
  return text;
};
const wholeBelow = (limit: number) => (): number => Math.floor(Math.random() * limit);

const FILE = {
  kind: "file",
  name: "file",
  label: "or a text file",
  accept: ".txt,.csv,.tsv,text/plain,text/csv",
  hint: "It is used instead of the pasted text.",
} as const;

/** The field that the text comes from. */
const sourceOf = (filled: Filled): "file" | "numbers" => (filled.files["file"] === undefined ? "numbers" : "file");

/** The field for pasted numbers, in the forms that take nothing else. */
const NUMBERS = {
  kind: "text",
  name: "numbers",
  label: "Numbers",
  rows: 6,
  isCode: true,
  placeholder: "3 4.5 -12\n1e6",
  hint: "Separated by spaces, commas, semicolons or line ends, with a decimal point.",
} as const;

const RANDOM_NUMBERS = {
  label: `${EXAMPLE_COUNT.toLocaleString("en")} at random`,
  fill: () => ({ values: { numbers: random(EXAMPLE_COUNT, wholeBelow(1e9), (at) => (at % 10 === 9 ? "\n" : " ")) } }),
};

/** Reads the numbers of a form. `label` says what a job over so many of them is called. */
const readForm = (label: (count: string) => string) => async (filled: Filled) => {
  const text = await textOf(filled, "numbers", "file");
  if (typeof text !== "string") return text;
  const numbers = readNumbers(text, sourceOf(filled));
  if ("wrong" in numbers) return numbers;
  const count = "wholes" in numbers ? numbers.wholes.length : numbers.floats.length;
  return { data: numbers, label: label(plural(count, "number")) };
};

export const sumForm: KindForm<"sum"> = {
  kind: "sum",
  place: 30,
  title: "Add numbers",
  about: "One sum of as many numbers as you like. Whole numbers are added exactly, however long they are.",
  verb: "Add them",
  fields: [NUMBERS, FILE],
  start: { numbers: "" },
  examples: [RANDOM_NUMBERS],
  read: readForm((count) => `Sum of ${count}`),
  text: (value) => plainText([String(value)], "sum"),
};

export const meanForm: KindForm<"mean"> = {
  kind: "mean",
  place: 35,
  title: "Average",
  about: "The mean of as many numbers as you like: their sum, divided by how many they are.",
  verb: "Average them",
  fields: [NUMBERS, FILE],
  start: { numbers: "" },
  examples: [RANDOM_NUMBERS],
  read: readForm((count) => `Mean of ${count}`),
  text: (value) => plainText([String(value)], "mean"),
};

const isText = (values: Filled["values"]): boolean => values["as"] === "lines";

export const sortForm: KindForm<"sort"> = {
  kind: "sort",
  place: 40,
  title: "Sort",
  about: "Numbers by size, or lines of text by their characters' codes, which is the same in every language.",
  verb: "Sort them",
  fields: [
    {
      kind: "choice",
      name: "as",
      label: "What is sorted",
      options: [
        ["numbers", "Numbers"],
        ["lines", "Lines of text"],
      ],
    },
    {
      kind: "text",
      name: "numbers",
      label: "What to sort",
      rows: 6,
      isCode: true,
      placeholder: "3 4.5 -12\n1e6",
      hint: "Numbers separated by spaces, commas, semicolons or line ends; texts one per line.",
    },
    FILE,
  ],
  start: { as: "numbers", numbers: "" },
  examples: [
    {
      label: `${EXAMPLE_COUNT.toLocaleString("en")} numbers at random`,
      fill: () => ({
        values: {
          as: "numbers",
          numbers: random(
            EXAMPLE_COUNT,
            () => (Math.random() * 2000 - 1000).toFixed(3),
            (at) => (at % 10 === 9 ? "\n" : " "),
          ),
        },
      }),
    },
  ],
  async read(filled) {
    const text = await textOf(filled, "numbers", "file");
    if (typeof text !== "string") return text;
    const field = sourceOf(filled);
    if (isText(filled.values)) {
      const strings = linesOf(text);
      if (strings.length === 0) return wrong(field, "Paste some lines first.");
      return { data: { strings }, label: `Sort ${plural(strings.length, "line")}` };
    }
    const read = readNumbers(text, field);
    if ("wrong" in read) return read;
    const numbers = "wholes" in read ? read.wholes.map(Number) : read.floats;
    const lost = "wholes" in read ? read.wholes.find((whole, at) => BigInt(numbers[at] ?? 0) !== whole) : undefined;
    if (lost !== undefined)
      return wrong(
        field,
        `${String(lost).slice(0, 40)} is too long to be kept exactly as a number here: sort whole numbers like this as lines of text.`,
      );
    return { data: { numbers }, label: `Sort ${plural(numbers.length, "number")}` };
  },
  text: (value) => plainText(Array.from<number | string, string>(value, writeItem), "sorted"),
};

/** Returns the lines of `text` without their ends. A line end at the very end of the text begins no other line. */
export function linesOf(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

const exampleMatrix = (): string =>
  random(EXAMPLE_SIDE * EXAMPLE_SIDE, wholeBelow(100), (at) => (at % EXAMPLE_SIDE === EXAMPLE_SIDE - 1 ? "\n" : " "));

export const multiplyForm: KindForm<"multiply"> = {
  kind: "multiply",
  place: 50,
  title: "Multiply matrices",
  about: "The product of two matrices: exact for whole numbers, the same bits on every machine for others.",
  verb: "Multiply them",
  fields: [
    { kind: "text", name: "left", label: "Left matrix", rows: 5, isCode: true, placeholder: "1 2 3\n4 5 6", hint: "One row per line." },
    {
      kind: "text",
      name: "right",
      label: "Right matrix",
      rows: 5,
      isCode: true,
      placeholder: "1 0\n0 1\n1 1",
      hint: "As many rows as the left one has columns.",
    },
  ],
  start: { left: "", right: "" },
  examples: [
    { label: "2 × 3 by 3 × 2", fill: () => ({ values: { left: "1 2 3\n4 5 6", right: "1 0\n0 1\n1 1" } }) },
    {
      label: `${EXAMPLE_SIDE} × ${EXAMPLE_SIDE} at random`,
      fill: () => ({ values: { left: exampleMatrix(), right: exampleMatrix() } }),
    },
  ],
  read({ values }) {
    const left = readMatrix(values["left"] ?? "", "left");
    if ("wrong" in left) return Promise.resolve(left);
    const right = readMatrix(values["right"] ?? "", "right");
    if ("wrong" in right) return Promise.resolve(right);
    if (left.columns !== right.rows) {
      const message = `The left matrix has ${plural(left.columns, "column")}, so this one needs ${plural(left.columns, "row")}; it has ${right.rows}.`;
      return Promise.resolve(wrong("right", message));
    }
    const label = `${left.rows} × ${left.columns} by ${right.rows} × ${right.columns}`;
    return Promise.resolve({ data: asNumbers(left, right), label });
  },
  text: (value) => plainText(rowsOf(value), "product"),
};

/** `String` forgets the sign of zero. */
const writeItem = (item: number | string): string => (Object.is(item, -0) ? "-0" : String(item));

function rowsOf({ rows, columns, elements }: TaskValueByKind["multiply"]): readonly string[] {
  const all: ArrayLike<number | bigint> = elements;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => String(all[row * columns + column])).join(" "),
  );
}

export const FORMS: readonly KindForm[] = [sumForm, meanForm, sortForm, multiplyForm];
