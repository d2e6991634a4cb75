// Element types that may cross between spans: ONNX's code to the name that plans use.
import { ElementType } from "./read-onnx.ts";

/** `float32` or `float16`; undefined for every other element type. */
export function floatType(type: number): "float32" | "float16" | undefined {
  if (type === ElementType.FLOAT) return "float32";
  return type === ElementType.FLOAT16 ? "float16" : undefined;
}
