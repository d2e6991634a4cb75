// The most memory that a model can take, by its summary alone. The file is small enough for the page's first load.
import { MAX_UNPACKED_BYTES } from "../protocol/span-plan.ts";
import type { ModelSummary } from "./model-summary.ts";

/**
 * Peak of memory while loading, relative to the bytes of weights as they are held (measured: npm run bench -- load).
 */
export const PEAK_RATIO = 1.3;

/**
 * By dtype: how many times its bytes a weight takes once it is unpacked. Some weights of
 * 8 bits are not unpacked: this is the most.
 */
const UNPACKED_TIMES: ReadonlyMap<string, number> = new Map([
  ["q4", 8],
  ["q8", 4],
]);

/** At most how many times its bytes a weight of `dtype` takes on WebAssembly. */
export const unpackedTimes = (dtype: string): number => UNPACKED_TIMES.get(dtype) ?? 1;

/** The most bytes of memory that holding all of a model takes, when only its summary is known. */
export function mostMemoryBytes({ sizeBytes, dtype }: Pick<ModelSummary, "sizeBytes" | "dtype">, cacheBudgetBytes: number): number {
  const unpacked = sizeBytes * unpackedTimes(dtype);
  return Math.ceil((unpacked > MAX_UNPACKED_BYTES ? sizeBytes : unpacked) * PEAK_RATIO) + cacheBudgetBytes;
}
