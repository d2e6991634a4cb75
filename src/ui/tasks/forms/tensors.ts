// Tensors as people write them: nested lists of numbers in JSON, and the bytes that a model takes and gives. Pure.
import type { Tensor, Tensors } from "../../../node/face.ts";
import { wrong, type Wrong } from "./form.ts";

type Type = Tensor["type"];
type Flat = readonly (number | string | boolean)[];

/** How deep lists may be nested: the most dimensions of a tensor. */
const RANK_MAX = 8;

const WRITERS: { readonly [Name in Type]: (values: Flat) => ArrayBufferView<ArrayBuffer> } = Object.freeze({
  float32: (values: Flat) => Float32Array.from(values, Number),
  float64: (values: Flat) => Float64Array.from(values, Number),
  int32: (values: Flat) => Int32Array.from(values, Number),
  int64: (values: Flat) => BigInt64Array.from(values, BigInt),
  uint8: (values: Flat) => Uint8Array.from(values, Number),
  int8: (values: Flat) => Int8Array.from(values, Number),
  bool: (values: Flat) => Uint8Array.from(values, Number),
});

/** Reads one set of inputs per run: `{ "x": [[1, 2]] }`, or `{ "ids": { "type": "int64", "data": [[1, 2]] } }`. */
export function readSets(json: unknown, field: string): readonly Tensors[] | { readonly wrong: Wrong } {
  const sets: readonly unknown[] = Array.isArray(json) ? json : [json];
  if (sets.length === 0) return wrong(field, "The list is empty: there is nothing to run the model on.");
  const read: Tensors[] = [];
  for (const [at, set] of sets.entries()) {
    const where = sets.length > 1 ? `Set ${at + 1}: ` : "";
    if (typeof set !== "object" || set === null || Array.isArray(set))
      return wrong(field, `${where}a set names the model's inputs: { "x": [[1, 2]] }.`);
    const tensors: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(set)) {
      const tensor = readTensor(value);
      if (typeof tensor === "string") return wrong(field, `${where}${name}: ${tensor}`);
      tensors[name] = tensor;
    }
    if (Object.keys(tensors).length === 0) return wrong(field, `${where}a set needs at least one input.`);
    read.push(tensors);
  }
  return read;
}

/** Returns the tensor, or the fault of `value` in words. */
function readTensor(value: unknown): Tensor | string {
  const isTyped = typeof value === "object" && value !== null && !Array.isArray(value);
  const { type = "float32", data } = (isTyped ? value : { data: value }) as { readonly type?: unknown; readonly data?: unknown }; // both are checked below
  if (typeof type !== "string" || !Object.hasOwn(WRITERS, type)) return `its type must be one of ${Object.keys(WRITERS).join(", ")}.`;
  const dims = dimsOf(data);
  if (dims === undefined) return "lists of one level must be equally long and hold numbers.";
  const flat = dims.length === 0 ? [data] : (data as readonly unknown[]).flat(RANK_MAX);
  const kind = type as Type; // it was just looked up
  if (!flat.every((item) => fits(item, kind))) return `not every number fits ${kind}.`;
  const { buffer } = WRITERS[kind](flat as Flat); // each item was just checked
  return { type: kind, dims, data: new Uint8Array(buffer) };
}

/** Returns the dimensions of nested lists; undefined if lists of one level differ in length, or are nested too deep. */
function dimsOf(data: unknown, depth = 0): number[] | undefined {
  if (!Array.isArray(data)) return [];
  if (depth === RANK_MAX) return undefined;
  const items: readonly unknown[] = data;
  const inner = items.map((item) => dimsOf(item, depth + 1));
  const [first] = inner;
  if (inner.some((dims) => dims === undefined || String(dims) !== String(first))) return undefined;
  return [items.length, ...(first ?? [])];
}

/** Whole numbers that JSON cannot hold exactly come as texts. */
function fits(item: unknown, type: Type): boolean {
  if (type === "bool") return typeof item === "boolean" || item === 0 || item === 1;
  if (type === "int64") return Number.isSafeInteger(item) || (typeof item === "string" && /^-?\d{1,19}$/.test(item));
  if (typeof item !== "number") return false;
  if (type === "float32" || type === "float64") return Number.isFinite(item);
  const [value] = WRITERS[type]([item]) as Int32Array | Uint8Array | Int8Array; // the other types have returned
  return value === item;
}

/** Returns tensors in the form that `readTensor` reads, with their types. */
export function showTensors(tensors: Tensors): unknown {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, dims, data }]) => [name, { type, data: nest(valuesOf(type, data.slice().buffer), dims) }]),
  );
}

function valuesOf(type: Type, buffer: ArrayBuffer): readonly unknown[] {
  switch (type) {
    case "float32":
      return Array.from(new Float32Array(buffer), short);
    case "float64":
      return Array.from(new Float64Array(buffer), (number) => (Number.isFinite(number) ? number : String(number)));
    case "int32":
      return [...new Int32Array(buffer)];
    case "int64":
      return Array.from(new BigInt64Array(buffer), (whole) => (Number.isSafeInteger(Number(whole)) ? Number(whole) : String(whole)));
    case "uint8":
      return [...new Uint8Array(buffer)];
    case "int8":
      return [...new Int8Array(buffer)];
    case "bool":
      return Array.from(new Uint8Array(buffer), (byte) => byte !== 0);
  }
}

/** Returns the shortest decimal that is the same 32-bit float. */
function short(number: number): number | string {
  if (!Number.isFinite(number)) return String(number);
  for (let digits = 1; digits < 9; digits++) {
    const tried = Number(number.toPrecision(digits));
    if (Math.fround(tried) === number) return tried;
  }
  return Number(number.toPrecision(9));
}

function nest(flat: readonly unknown[], dims: readonly number[]): unknown {
  const [first, ...rest] = dims;
  if (first === undefined) return flat[0];
  const step = flat.length / Math.max(1, first);
  return Array.from({ length: first }, (_, at) => nest(flat.slice(at * step, (at + 1) * step), rest));
}
