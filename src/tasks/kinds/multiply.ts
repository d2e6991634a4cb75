// Kind `multiply`: the product of two matrices, computed in blocks; whole numbers exactly, floats in a fixed order.
import * as v from "valibot";
import { checkFloats, checkWholes, readFloats, readWholes, writeFloats, writeWholes } from "./number-bytes.ts";
import { badInput, type Bytes, readParams, type RunContext, type KindCode, type TaskPart } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /**
   * Rows and columns of a block of the product: with 1,024 inner elements its input is 1 MiB, which is what a task may
   * carry.
   */
  block: 64,
  /** Bytes of both factors of a part together. */
  partBytes: 1024 * 1024,
  /** Length of a side of a matrix. */
  side: 65_536,
});

export interface Matrix<Row> {
  readonly rows: number;
  readonly columns: number;
  /** Row-major `[rows, columns]`. */
  readonly elements: Row;
}
export type MultiplyData =
  | { readonly floats: readonly [left: Matrix<ArrayLike<number>>, right: Matrix<ArrayLike<number>>] }
  | { readonly wholes: readonly [left: Matrix<readonly bigint[]>, right: Matrix<readonly bigint[]>] };
export type Product = Matrix<Float64Array> | Matrix<readonly bigint[]>;

const side = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(DEFAULTS.side));
const Params = v.strictObject({ numbers: v.picklist(["floats", "wholes"]), rows: side, inner: side, columns: side });

interface Block {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/**
 * Value: the product, row-major. Each element adds its products from the first inner index to the last, without fused
 * steps.
 */
export const multiply: KindCode<MultiplyData, Product> = {
  split(data) {
    const [left, right] = sides(data);
    if ("floats" in data) for (const { elements } of data.floats) checkFloats(elements);
    else for (const { elements } of data.wholes) checkWholes(elements);
    return blocksOf(data).map(({ row, rows, column, columns }): TaskPart => {
      const params = { numbers: "floats" in data ? "floats" : "wholes", rows, inner: left.columns, columns };
      const pick = <T>(a: ArrayLike<T>, b: ArrayLike<T>): T[] => {
        const out: T[] = [];
        for (let r = row; r < row + rows; r++) for (let k = 0; k < left.columns; k++) out.push(a[r * left.columns + k] as T);
        for (let k = 0; k < right.rows; k++) for (let c = column; c < column + columns; c++) out.push(b[k * right.columns + c] as T);
        return out; // every index is inside the matrices, whose sizes were checked
      };
      const input =
        "floats" in data
          ? writeFloats(pick(data.floats[0].elements, data.floats[1].elements))
          : writeWholes(pick(data.wholes[0].elements, data.wholes[1].elements));
      return { params, input };
    });
  },

  async run({ params, input }, context) {
    const { numbers, rows, inner, columns } = readParams(Params, params);
    const shape = { rows, inner, columns };
    if (numbers === "floats") {
      const all = checked(readFloats(input), shape);
      return writeFloats(product(all, shape, 0, (total, a, b) => total + a * b, context));
    }
    const all = checked(readWholes(input), shape);
    return writeWholes(product(all, shape, 0n, (total, a, b) => total + a * b, context));
  },

  join(data, outputs) {
    const [left, right] = sides(data);
    const shape = { rows: left.rows, columns: right.columns };
    const blocks = blocksOf(data);
    if (blocks.length !== outputs.length) throw badInput("a block is missing");
    if ("floats" in data)
      return { ...shape, elements: place(new Float64Array(shape.rows * shape.columns), shape, blocks, outputs, readFloats) };
    const elements = new Array<bigint>(shape.rows * shape.columns).fill(0n);
    return { ...shape, elements: place(elements, shape, blocks, outputs, readWholes) };
  },

  weigh({ params }) {
    const { rows, inner, columns } = readParams(Params, params);
    return Math.max(1, Math.ceil((rows * inner * columns) / 1000));
  },
};

function sides(data: MultiplyData): readonly [Matrix<ArrayLike<unknown>>, Matrix<ArrayLike<unknown>>] {
  const both = "floats" in data ? data.floats : data.wholes;
  for (const { rows, columns, elements } of both) {
    if (!v.is(side, rows) || !v.is(side, columns)) throw badInput(`a matrix has 1 to ${DEFAULTS.side} rows and columns`);
    if (elements.length !== rows * columns) throw badInput("a matrix has rows times columns elements");
  }
  if (both[0].columns !== both[1].rows) throw badInput("the left matrix has as many columns as the right one has rows");
  return both;
}

/** Whole numbers are sent as text: the longest number sets the size of all. */
function blocksOf(data: MultiplyData): readonly Block[] {
  const [left, right] = sides(data);
  let bytes = 8;
  if ("wholes" in data)
    for (const { elements } of data.wholes) for (const number of elements) bytes = Math.max(bytes, number.toString().length + 1);
  const fitting = Math.floor(DEFAULTS.partBytes / (2 * left.columns * bytes));
  if (fitting < 1) throw badInput("a row and a column do not fit one task");
  const length = Math.min(DEFAULTS.block, fitting);
  const blocks: Block[] = [];
  for (let row = 0; row < left.rows; row += length)
    for (let column = 0; column < right.columns; column += length)
      blocks.push({ row, column, rows: Math.min(length, left.rows - row), columns: Math.min(length, right.columns - column) });
  return blocks;
}

interface Shape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
}

function checked<T extends ArrayLike<unknown>>(elements: T, { rows, inner, columns }: Shape): T {
  if (elements.length !== (rows + columns) * inner) throw badInput("the input is not the two sides");
  return elements;
}

function product<T>(all: ArrayLike<T>, shape: Shape, zero: T, add: (total: T, a: T, b: T) => T, { signal, progress }: RunContext): T[] {
  const { rows, inner, columns } = shape;
  const out: T[] = [];
  for (let row = 0; row < rows; row++) {
    signal.throwIfAborted();
    progress();
    for (let column = 0; column < columns; column++) {
      let total = zero;
      for (let k = 0; k < inner; k++) total = add(total, all[row * inner + k] as T, all[rows * inner + k * columns + column] as T);
      out.push(total);
    }
  }
  return out;
}

function place<T, Out extends { [at: number]: T }>(
  out: Out,
  shape: { readonly columns: number },
  blocks: readonly Block[],
  outputs: readonly Bytes[],
  read: (bytes: Bytes) => ArrayLike<T>,
): Out {
  blocks.forEach(({ row, rows, column, columns }, at) => {
    const block = read(outputs[at] as Bytes); // as many as blocks
    if (block.length !== rows * columns) throw badInput("a block of another size");
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) out[(row + r) * shape.columns + column + c] = block[r * columns + c] as T;
  });
  return out;
}
