// What a span takes of this device's memory, told before anything of it is fetched, and whether that can fit.
import { type Manifest, spanBytes } from "./manifest.ts";
import type { Span } from "../shared/ids.ts";

export const DEFAULTS = Object.freeze({
  /**
   * Bytes that WebAssembly can address, less what the runtime, activations and the allocator's gaps take. A span of
   * weights beyond this cannot be built, whatever the device has.
   */
  wasmBytes: 4 * 1024 ** 3 - 512 * 1024 ** 2,
  /** Peak while loading by bytes of weights (measured: npm run bench -- load). */
  peakRatio: 1.3,
  /** Part of the device's memory that one tab may take: browsers kill tabs that go far beyond. */
  deviceShare: 0.5,
});

export interface MemoryNeed {
  readonly weightBytes: number;
  /** Key/value caches of all sessions together. */
  readonly cacheBytes: number;
  /** At the highest, while loading. */
  readonly peakBytes: number;
}

export interface MemoryLimits {
  /** Bytes of key/value cache that sessions may reserve. */
  readonly cacheBudgetBytes: number;
  /** The device's memory as the browser tells it, which is coarse and at most 8 GiB; undefined where it does not. */
  readonly deviceBytes: number | undefined;
}

/** What holding `span` takes. */
export function memoryNeed(
  manifest: Pick<Manifest, "layerCount" | "layerBytes" | "embeddingBytes" | "headBytes">,
  span: Span,
  { cacheBudgetBytes }: Pick<MemoryLimits, "cacheBudgetBytes">,
): MemoryNeed {
  const weightBytes = spanBytes(manifest, span.start, span.end);
  return { weightBytes, cacheBytes: cacheBudgetBytes, peakBytes: Math.ceil(weightBytes * DEFAULTS.peakRatio) + cacheBudgetBytes };
}

/** Why a span with this need cannot be held here; undefined where it can. */
export function whyTooLarge({ weightBytes, peakBytes, cacheBytes }: MemoryNeed, { deviceBytes }: MemoryLimits): string | undefined {
  if (weightBytes + cacheBytes > DEFAULTS.wasmBytes)
    return `it needs ${gigabytes(weightBytes + cacheBytes)} and WebAssembly can hold ${gigabytes(DEFAULTS.wasmBytes)}`;
  if (deviceBytes !== undefined && peakBytes > deviceBytes * DEFAULTS.deviceShare && weightBytes > 1024 ** 3)
    return `it needs ${gigabytes(peakBytes)} while loading and this device has ${gigabytes(deviceBytes)} for everything`;
  return undefined;
}

const gigabytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GB`;
