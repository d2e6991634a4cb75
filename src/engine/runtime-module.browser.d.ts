// The runtime's own module, which its package exports without types. `runtime-heap.ts` declares what is used of it.
declare module "onnxruntime-web/ort-wasm-simd-threaded.mjs";
