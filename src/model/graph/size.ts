// Lengths that are known only at run time, as sums of symbols, and the facts about
// tensors that inference expresses in them.
import type { AttributeProto } from "./onnx_pb.ts";

/** `constant` plus each symbol times its factor. Symbols are sorted; no factor is 0. */
export interface Size {
  readonly constant: number;
  readonly terms: readonly (readonly [symbol: string, factor: number])[];
}

/** Number of new positions of a step. */
export const SEQUENCE: Size = { constant: 0, terms: [["sequence", 1]] };

/** A known length. */
export const sizeOf = (constant: number): Size => ({ constant, terms: [] });

/** Number of positions that caches hold. Caches whose dimension has the same name in the file hold the same number. */
export const pastSize = (dimension: string): Size => ({ constant: 0, terms: [[`past:${dimension}`, 1]] });

/** `a + factor * b`. */
export function addSizes(a: Size, b: Size, factor = 1): Size {
  const terms = new Map(a.terms);
  for (const [symbol, times] of b.terms) terms.set(symbol, (terms.get(symbol) ?? 0) + factor * times);
  return {
    constant: a.constant + factor * b.constant,
    terms: [...terms].filter(([, times]) => times !== 0).toSorted(([x], [y]) => (x < y ? -1 : 1)),
  };
}

/** The product; undefined unless one of the two is a number. */
export function multiplySizes(a: Size, b: Size): Size | undefined {
  const nothing = sizeOf(0);
  if (a.terms.length === 0) return addSizes(nothing, b, a.constant);
  return b.terms.length === 0 ? addSizes(nothing, a, b.constant) : undefined;
}

/** Whether two lengths are the same at every moment. */
export const sameSize = (a: Size, b: Size): boolean => a.constant === b.constant && JSON.stringify(a.terms) === JSON.stringify(b.terms);

/** The number that a size is; undefined if it has symbols. */
export const constantOf = (size: Size | undefined): number | undefined => (size?.terms.length === 0 ? size.constant : undefined);

/** The dimension that two dimensions broadcast to; undefined if that is unknown. */
export function broadcastSize(a: Size, b: Size): Size | undefined {
  if (sameSize(a, b) || constantOf(b) === 1) return a;
  return constantOf(a) === 1 ? b : undefined;
}

/**
 * `product(whole) / product(parts)`: the dimension that a Reshape leaves open; undefined if it is not a single length.
 */
export function divideSizes(whole: readonly Size[], parts: readonly Size[]): Size | undefined {
  const left = [...whole];
  let divisor = 1;
  for (const part of parts) {
    const number = constantOf(part);
    const twin = number === undefined ? left.findIndex((size) => sameSize(size, part)) : -1;
    if (number !== undefined) divisor *= number;
    else if (twin < 0) return undefined;
    else left.splice(twin, 1);
  }
  let product: Size | undefined = sizeOf(1);
  for (const size of left) product = product && multiplySizes(product, size);
  if (product === undefined || divisor === 0) return undefined;
  const numbers = [product.constant, ...product.terms.map(([, times]) => times)];
  if (numbers.some((number) => number % divisor !== 0)) return undefined;
  return { constant: product.constant / divisor, terms: product.terms.map(([symbol, times]) => [symbol, times / divisor]) };
}

/** Integer tensors with more elements than this are no shapes. */
export const MAX_VALUES = 64;

/** What is known about a tensor. */
export interface TensorFacts {
  readonly dims: readonly Size[] | undefined;
  /** Elements of a scalar or of a list of integers. */
  readonly values: readonly Size[] | undefined;
}

/** A graph node, as the rules of inference see it. */
export interface NodeFacts {
  readonly op: string;
  readonly dims: (input: number) => readonly Size[] | undefined;
  readonly values: (input: number) => readonly Size[] | undefined;
  readonly attribute: (name: string) => AttributeProto | undefined;
  readonly inputs: number;
  readonly outputs: number;
}
