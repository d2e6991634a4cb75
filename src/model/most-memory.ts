// What a model takes of memory at most, told by its summary alone: small enough for the page's first load.
import { MAX_UNPACKED_BYTES } from "../protocol/span-plan.ts";
import type { ModelSummary } from "./model-summary.ts";

/** Peak while loading by bytes of weights as they are held (measured: npm run bench -- load). */
export const PEAK_RATIO = 1.3;

/** How many times its bytes a weight takes when it is unpacked, by the words for how it is stored. Of 8 bits some are not: what is told is the most. */
const UNPACKED_TIMES: ReadonlyMap<string, number> = new Map([
  ["q4", 8],
  ["q8", 4],
]);

/** How many times its bytes a weight of `dtype` takes on WebAssembly, at most. */
export const unpackedTimes = (dtype: string): number => UNPACKED_TIMES.get(dtype) ?? 1;

/** What holding all of a model takes at most, told of it before anything but its summary is known. */
export function mostMemoryBytes({ sizeBytes, dtype }: Pick<ModelSummary, "sizeBytes" | "dtype">, cacheBudgetBytes: number): number {
  const unpacked = sizeBytes * unpackedTimes(dtype);
  return Math.ceil((unpacked > MAX_UNPACKED_BYTES ? sizeBytes : unpacked) * PEAK_RATIO) + cacheBudgetBytes;
}
