// Logits of fp16 graphs as f32: exact, since every half is a float.
import type { Tensor } from "onnxruntime-web";
import { halfToFloat } from "../shared/half-floats.ts";
import { tensorBytes } from "./ort.ts";

/** Returns the values of an f32 or fp16 tensor on the CPU: a view if it is f32. */
export function floatLogits(tensor: Tensor): Float32Array {
  const bytes = tensorBytes(tensor);
  if (tensor.type === "float16")
    return Float32Array.from(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2), halfToFloat);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
