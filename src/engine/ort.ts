// The slice of ONNX Runtime Web that spans need. It is an argument, so that page, worker and Node can choose a build.
import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-web";
import { HeapTensor, type RuntimeHeap } from "./runtime-heap.ts";

/** Any entry of onnxruntime-web: `/wasm`, `/jspi`, `/webgpu`, or Node's default. */
export interface Ort {
  readonly InferenceSession: { create(graph: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: TensorConstructor;
  readonly env: { readonly versions: { readonly web?: string; readonly common: string }; readonly wasm: { numThreads?: number } };
  /** The runtime's memory, if it can be reached; undefined before the first session. */
  readonly heap?: RuntimeHeap | undefined;
}

/** A cache as a run leaves it: copied out, in a GPU buffer, or in the runtime's memory. */
export type CacheValue = Tensor | HeapTensor;

/** Makes a cache of `bytes`, in the runtime's memory if that can be reached, so that runs need no copy. */
export function makeCache(ort: Ort, type: "float32" | "float16", bytes: Uint8Array<ArrayBuffer>, dims: readonly number[]): CacheValue {
  return ort.heap?.create(type, bytes, dims) ?? makeTensor(ort, type, bytes, dims);
}

/**
 * Returns dimensions and raw bytes of a cache, read back from the device if it is there. The view ends at the runtime's
 * next call.
 */
export async function readCache(cache: CacheValue): Promise<{ readonly dims: readonly number[]; readonly bytes: Uint8Array }> {
  if (cache instanceof HeapTensor) return cache.read();
  if (cache.location !== "cpu") await cache.getData();
  return { dims: cache.dims, bytes: tensorBytes(cache) };
}

/** Makes a CPU tensor over `bytes`, which are copied only if they are not aligned. float16 travels as its bits. */
export function makeTensor(ort: Ort, type: "float32" | "float16", bytes: Uint8Array<ArrayBuffer>, dims: readonly number[]): Tensor {
  const size = type === "float16" ? 2 : 4;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const count = aligned.byteLength / size;
  return type === "float16"
    ? new ort.Tensor("float16", new Uint16Array(aligned.buffer, aligned.byteOffset, count), dims)
    : new ort.Tensor("float32", new Float32Array(aligned.buffer, aligned.byteOffset, count), dims);
}

/** Returns the raw bytes of a CPU tensor of numbers: a view, not a copy. */
export function tensorBytes(tensor: Tensor): Uint8Array<ArrayBuffer> {
  const { data } = tensor;
  if (Array.isArray(data)) throw new TypeError("string tensors have no bytes");
  // With one thread, the runtime's CPU tensors are never in shared memory.
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}
