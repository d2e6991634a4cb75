// How much of this device's memory a span takes, known before any of it is fetched, and whether that fits.
import { MAX_UNPACKED_BYTES } from "../protocol/span-plan.ts";
import { type Manifest, spanBytes } from "./tiles/manifest.ts";
import { PEAK_RATIO, unpackedTimes } from "./most-memory.ts";
import type { Span } from "../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /**
   * Bytes that WebAssembly can address, less those of the runtime, the activations and the allocator's gaps. A span
   * with more weights cannot be built, however much memory the device has.
   */
  wasmBytes: 4 * 1024 ** 3 - 512 * 1024 ** 2,
  /** Bytes of an unpacked weight: WebAssembly computes in f32. */
  unpackedBytes: 4,
  /** Share of the device's memory that one tab may take: browsers kill tabs that take much more. */
  deviceShare: 0.5,
});

export type SizedManifest = Pick<
  Manifest,
  "layerCount" | "layerBytes" | "embeddingBytes" | "headBytes" | "dtype" | "layerCost" | "headCost"
>;

export interface MemoryNeed {
  readonly weightBytes: number;
  /** Bytes of the weights as they are held: weights in 4 or 8 bits are unpacked for WebAssembly. */
  readonly heldBytes: number;
  /** Bytes of the key/value caches of all sessions together. */
  readonly cacheBytes: number;
  /** Peak, while loading. */
  readonly peakBytes: number;
}

export interface MemoryLimits {
  /** Bytes of key/value cache that sessions may reserve. */
  readonly cacheBudgetBytes: number;
  /** The device's memory as the browser reports it, coarsely and at most 8 GiB; undefined if it does not. */
  readonly deviceBytes: number | undefined;
}

/** The memory that holding `span` takes. A graphics card would take less, because it runs weights as they come. */
export function memoryNeed(manifest: SizedManifest, span: Span, { cacheBudgetBytes }: Pick<MemoryLimits, "cacheBudgetBytes">): MemoryNeed {
  const weightBytes = spanBytes(manifest, span.start, span.end);
  const heldBytes = Math.max(weightBytes, unpackedBytes(manifest, span));
  return { weightBytes, heldBytes, cacheBytes: cacheBudgetBytes, peakBytes: Math.ceil(heldBytes * PEAK_RATIO) + cacheBudgetBytes };
}

/**
 * Bytes of unpacked weights; 0 if none are unpacked. A product uses each weight once for
 * a token, so its multiply-adds count them.
 */
function unpackedBytes({ dtype, layerCost, layerCount, headCost }: SizedManifest, { start, end }: Span): number {
  if (unpackedTimes(dtype) === 1) return 0;
  const weights = layerCost.slice(start, end).reduce((sum, cost) => sum + cost, end === layerCount ? headCost : 0);
  const bytes = weights * DEFAULTS.unpackedBytes;
  return bytes > MAX_UNPACKED_BYTES ? 0 : bytes;
}

/** Why a span with this need cannot be held here; undefined if it can. */
export function whyTooLarge({ heldBytes, peakBytes, cacheBytes }: MemoryNeed, { deviceBytes }: MemoryLimits): string | undefined {
  if (heldBytes + cacheBytes > DEFAULTS.wasmBytes)
    return `it needs ${gigabytes(heldBytes + cacheBytes)} and WebAssembly can hold ${gigabytes(DEFAULTS.wasmBytes)}`;
  if (deviceBytes !== undefined && peakBytes > deviceBytes * DEFAULTS.deviceShare && heldBytes > 1024 ** 3)
    return `it needs ${gigabytes(peakBytes)} while loading and this device has ${gigabytes(deviceBytes)} for everything`;
  return undefined;
}

const gigabytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GB`;
