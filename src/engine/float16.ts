// Logits of fp16 graphs as f32: exact, since every half is a float.
import type { Tensor } from "onnxruntime-web";
import { tensorBytes } from "./ort.ts";

/** IEEE 754 half (its bits) to number. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The values of an f32 or fp16 tensor on the CPU; a view where it is f32. */
export function floatLogits(tensor: Tensor): Float32Array {
  const bytes = tensorBytes(tensor);
  if (tensor.type === "float16")
    return Float32Array.from(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2), halfToFloat);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
