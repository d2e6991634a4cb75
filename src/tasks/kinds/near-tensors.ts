// Whether two machines of different classes computed the same tensors: numbers within a part of the largest, all else equal. Pure.
import { bytesEqual } from "../../shared/bytes.ts";

export const DEFAULTS = Object.freeze({
  /**
   * Of a tensor's largest number, what two may differ in: WebGPU and WebAssembly differ by up to 2 % in the logits of the
   * models that we measured, and another model's output by far more.
   */
  tolerance: 0.02,
});

/** Little-endian, row-major. */
export interface PlainTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** Sets of tensors by name. Not-a-number and infinities have to stand in the same places. */
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
    return Object.is(value, other) || Math.abs(value - other) <= DEFAULTS.tolerance * largest;
  });
}

/** Undefined where the elements are whole. */
function floatsOf({ type, data }: PlainTensor): Float32Array | Float64Array | undefined {
  const bytes = data.slice(); // elements have to lie at multiples of their size
  if (type === "float32") return new Float32Array(bytes.buffer);
  return type === "float64" ? new Float64Array(bytes.buffer) : undefined;
}
