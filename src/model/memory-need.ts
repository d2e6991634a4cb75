// What a span takes of this device's memory, told before anything of it is fetched, and whether that can fit.
import { MAX_UNPACKED_BYTES } from "../protocol/span-plan.ts";
import { type Manifest, spanBytes } from "./tiles/manifest.ts";
import { PEAK_RATIO, unpackedTimes } from "./most-memory.ts";
import type { Span } from "../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /**
   * Bytes that WebAssembly can address, less what the runtime, activations and the allocator's gaps take. A span of
   * weights beyond this cannot be built, whatever the device has.
   */
  wasmBytes: 4 * 1024 ** 3 - 512 * 1024 ** 2,
  /** Bytes of an unpacked weight: WebAssembly computes with f32. */
  unpackedBytes: 4,
  /** Part of the device's memory that one tab may take: browsers kill tabs that go far beyond. */
  deviceShare: 0.5,
});

export type SizedManifest = Pick<
  Manifest,
  "layerCount" | "layerBytes" | "embeddingBytes" | "headBytes" | "dtype" | "layerCost" | "headCost"
>;

export interface MemoryNeed {
  readonly weightBytes: number;
  /** The same as they are held: what comes in 4 or 8 bits is unpacked for WebAssembly. */
  readonly heldBytes: number;
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

/** What holding `span` takes; more than a graphics card would, which runs weights as they come. */
export function memoryNeed(manifest: SizedManifest, span: Span, { cacheBudgetBytes }: Pick<MemoryLimits, "cacheBudgetBytes">): MemoryNeed {
  const weightBytes = spanBytes(manifest, span.start, span.end);
  const heldBytes = Math.max(weightBytes, unpackedBytes(manifest, span));
  return { weightBytes, heldBytes, cacheBytes: cacheBudgetBytes, peakBytes: Math.ceil(heldBytes * PEAK_RATIO) + cacheBudgetBytes };
}

/** Every weight of a product is used once for a token, so its multiply-adds count them. 0 where nothing is unpacked. */
function unpackedBytes({ dtype, layerCost, layerCount, headCost }: SizedManifest, { start, end }: Span): number {
  if (unpackedTimes(dtype) === 1) return 0;
  const weights = layerCost.slice(start, end).reduce((sum, cost) => sum + cost, end === layerCount ? headCost : 0);
  const bytes = weights * DEFAULTS.unpackedBytes;
  return bytes > MAX_UNPACKED_BYTES ? 0 : bytes;
}

/** Why a span with this need cannot be held here; undefined where it can. */
export function whyTooLarge({ heldBytes, peakBytes, cacheBytes }: MemoryNeed, { deviceBytes }: MemoryLimits): string | undefined {
  if (heldBytes + cacheBytes > DEFAULTS.wasmBytes)
    return `it needs ${gigabytes(heldBytes + cacheBytes)} and WebAssembly can hold ${gigabytes(DEFAULTS.wasmBytes)}`;
  if (deviceBytes !== undefined && peakBytes > deviceBytes * DEFAULTS.deviceShare && heldBytes > 1024 ** 3)
    return `it needs ${gigabytes(peakBytes)} while loading and this device has ${gigabytes(deviceBytes)} for everything`;
  return undefined;
}

const gigabytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GB`;
