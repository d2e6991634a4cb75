// Compares outputs of two peers whose bits differ by nature: are their largest numbers the same within a tolerance?
// Pure.
import { halfToFloat } from "../../shared/half-floats.ts";
import type { Sampled } from "../requester/hop-link.ts";

const DEFAULTS = Object.freeze({
  /** The largest entries of a hidden state, which make up most of its length. */
  entries: 32,
  /**
   * Root of the sum of squared differences, over the root of the sum of squares. WebAssembly and WebGPU differ by 10^-5
   * in floats and by 10^-3 in halves, another layer differs by 1. The self-test that a WebGPU span has to pass allows
   * as much.
   */
  tolerance: 0.02,
  /** Share of the candidates that both must name. */
  shared: 0.75,
});

/** `a` is the reference. Rows with NaN, or of another length, are not close. */
export function isClose(type: Sampled["type"], a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  if (type === "logits") return areLogitsClose(a, b);
  const [x, y] = [numbers(type, a), numbers(type, b)];
  const largest = [...x.keys()].toSorted((i, j) => Math.abs(x[j] ?? 0) - Math.abs(x[i] ?? 0)).slice(0, DEFAULTS.entries);
  return isNear(largest.map((index) => [x[index] ?? Number.NaN, y[index] ?? Number.NaN]));
}

/**
 * Rows of ids, logits and log-sum-exp, as a frame carries them. Compares log-probabilities, because a shift of all
 * logits means nothing.
 */
function areLogitsClose(a: Uint8Array, b: Uint8Array): boolean {
  const [x, y] = [logitsOf(a), logitsOf(b)];
  const both = [...x].flatMap(([id, value]) => {
    const other = y.get(id);
    return other === undefined ? [] : [[value, other] as const];
  });
  return both.length >= DEFAULTS.shared * x.size && isNear(both);
}

function isNear(pairs: readonly (readonly [number, number])[]): boolean {
  const squares = pairs.reduce((sum, [a]) => sum + a * a, 0);
  const differences = pairs.reduce((sum, [a, b]) => sum + (a - b) ** 2, 0);
  return Math.sqrt(differences) <= DEFAULTS.tolerance * Math.sqrt(squares) + Number.MIN_VALUE;
}

function numbers(type: "float32" | "float16", bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return type === "float32"
    ? Float32Array.from({ length: bytes.byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true))
    : Float32Array.from({ length: bytes.byteLength / 2 }, (_, index) => halfToFloat(view.getUint16(2 * index, true)));
}

function logitsOf(bytes: Uint8Array): ReadonlyMap<number, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.floor((bytes.byteLength - 4) / 8);
  const logSumExp = view.getFloat32(8 * count, true);
  return new Map(
    Array.from({ length: count }, (_, index) => [view.getInt32(4 * index, true), view.getFloat32(4 * (count + index), true) - logSumExp]),
  );
}
