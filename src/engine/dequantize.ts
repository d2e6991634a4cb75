// Unpacks block-quantized weights into f32, once, while a span is loaded. The bytes are the same on every machine.
import type { PackedBytes, SpanSource, WeightConversion } from "../protocol/span-plan.ts";
import { shrinkableBytes } from "../shared/bytes.ts";
import { ManyhandsError } from "../shared/errors.ts";

/** Returns one weight as f32 `[rows, columns]`. Throws MODEL_CORRUPT if there are too few packed bytes. */
export function dequantize(conversion: WeightConversion, bytesOf: (packed: PackedBytes) => Uint8Array): Float32Array<ArrayBuffer> {
  const { bits, rows, columns, blockSize } = conversion;
  const blocks = Math.ceil(columns / blockSize);
  const blockBytes = (blockSize * bits) / 8;
  const packed = bytesOf(conversion.packed);
  const scaleBytes = bytesOf(conversion.scales);
  const zeroPoints = conversion.zeroPoints && bytesOf(conversion.zeroPoints);
  const zeroRow = Math.ceil((blocks * bits) / 8);
  if (
    packed.byteLength < rows * blocks * blockBytes ||
    scaleBytes.byteLength < 4 * rows * blocks ||
    (zeroPoints && zeroPoints.byteLength < rows * zeroRow)
  ) {
    throw new ManyhandsError("MODEL_CORRUPT", "quantized weights are shorter than their shape says");
  }
  const scales = new Float32Array(scaleBytes.slice(0, 4 * rows * blocks).buffer);
  const out = new Float32Array(shrinkableBytes(4 * rows * columns).buffer);
  const middle = bits === 4 ? 8 : 128;
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const scale = scales[row * blocks + block] as number; // within the length that was checked above, like all reads below
      const zero = zeroPoints ? zeroPointAt(zeroPoints, row * zeroRow, block, bits) : middle;
      const from = (row * blocks + block) * blockBytes;
      const at = row * columns + block * blockSize;
      const count = Math.min(blockSize, columns - block * blockSize);
      if (bits === 8) {
        for (let i = 0; i < count; i++) out[at + i] = ((packed[from + i] as number) - zero) * scale;
      } else {
        for (let i = 0; i < count; i += 2) {
          const pair = packed[from + (i >> 1)] as number;
          out[at + i] = ((pair & 15) - zero) * scale;
          if (i + 1 < count) out[at + i + 1] = ((pair >> 4) - zero) * scale;
        }
      }
    }
  }
  return out;
}

function zeroPointAt(zeroPoints: Uint8Array, rowStart: number, block: number, bits: 4 | 8): number {
  if (bits === 8) return zeroPoints[rowStart + block] as number;
  const pair = zeroPoints[rowStart + (block >> 1)] as number;
  return block % 2 === 0 ? pair & 15 : pair >> 4;
}

/**
 * Returns `source` with its weights unpacked, which is its form for WebAssembly, or the source itself if none are
 * quantized. Files that were unpacked are left out, so that their memory can be freed.
 */
export function unpackSpan(source: SpanSource): SpanSource {
  const { converted } = source;
  if (!converted) return source;
  const files = new Map(source.externalData.map(({ path, data }) => [path, data]));
  const bytesOf = (packed: PackedBytes): Uint8Array => {
    if (packed.kind === "inline") return packed.bytes;
    const data = files.get(packed.path);
    if (!data) throw new ManyhandsError("MODEL_CORRUPT", `the weights "${packed.path}" are missing`);
    return data;
  };
  const unpacked = converted.conversions.map((conversion) => ({
    path: conversion.path,
    data: new Uint8Array(dequantize(conversion, bytesOf).buffer),
    readOnce: true,
  }));
  const unused = new Set(converted.unusedFiles);
  return {
    plan: source.plan,
    graph: converted.graph,
    externalData: [...source.externalData.filter(({ path }) => !unused.has(path)), ...unpacked],
  };
}
