// The slice of ONNX Runtime Web that spans need: passed in as an argument, so that page, worker and Node choose a build.
import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-web";

/** Any entry of onnxruntime-web: `/wasm`, `/jspi`, `/webgpu`, or Node's default. */
export interface Ort {
  readonly InferenceSession: { create(graph: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: TensorConstructor;
  readonly env: { readonly versions: { readonly web?: string; readonly common: string }; readonly wasm: { numThreads?: number } };
}

/** A CPU tensor over `bytes` (not copied where aligned). float16 travels as its bits. */
export function makeTensor(ort: Ort, type: "float32" | "float16", bytes: Uint8Array<ArrayBuffer>, dims: readonly number[]): Tensor {
  const size = type === "float16" ? 2 : 4;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const count = aligned.byteLength / size;
  return type === "float16"
    ? new ort.Tensor("float16", new Uint16Array(aligned.buffer, aligned.byteOffset, count), dims)
    : new ort.Tensor("float32", new Float32Array(aligned.buffer, aligned.byteOffset, count), dims);
}

/** The raw bytes of a CPU tensor of numbers: a view, not a copy. */
export function tensorBytes(tensor: Tensor): Uint8Array<ArrayBuffer> {
  const { data } = tensor;
  if (Array.isArray(data)) throw new TypeError("string tensors have no bytes");
  // The runtime's CPU tensors never sit on shared memory with one thread.
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}
