// Whether machines of two determinism classes computed the same tensors: numbers differ by a small part of the largest,
// and all else is equal. Pure.
import { bytesEqual } from "../../shared/bytes.ts";

/**
 * Part of a tensor's largest number by which two results may differ. WebGPU and WebAssembly differ by up to 2 % in the
 * logits of the models that we measured; the output of another model differs by far more.
 */
export const TENSOR_TOLERANCE = 0.02;

/** Little-endian, row-major. */
export interface PlainTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** Compares sets of tensors by name. NaN and infinities have to stand in the same places. */
export function nearTensors(
  a: readonly Readonly<Record<string, PlainTensor>>[],
  b: readonly Readonly<Record<string, PlainTensor>>[],
): boolean {
  if (a.length !== b.length) return false;
  return a.every((set, at) => {
    const other = b[at] ?? {};
    const names = Object.keys(set);
    return names.length === Object.keys(other).length && names.every((name) => nearTensor(set[name], other[name]));
  });
}

function nearTensor(a: PlainTensor | undefined, b: PlainTensor | undefined): boolean {
  if (a === undefined || b === undefined || a.type !== b.type || a.data.byteLength !== b.data.byteLength) return false;
  if (a.dims.length !== b.dims.length || a.dims.some((dim, at) => dim !== b.dims[at])) return false;
  const [ours, theirs] = [floatsOf(a), floatsOf(b)];
  if (ours === undefined || theirs === undefined) return bytesEqual(a.data, b.data);
  let largest = 0;
  for (const value of ours) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return ours.every((value, at) => {
    const other = theirs[at] ?? NaN;
    return Object.is(value, other) || Math.abs(value - other) <= TENSOR_TOLERANCE * largest;
  });
}

/** Undefined if the elements are whole numbers. */
function floatsOf({ type, data }: PlainTensor): Float32Array | Float64Array | undefined {
  const bytes = data.slice(); // a copy, because elements have to lie at multiples of their size
  if (type === "float32") return new Float32Array(bytes.buffer);
  return type === "float64" ? new Float64Array(bytes.buffer) : undefined;
}
