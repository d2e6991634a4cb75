// The runtime's own module, which its package exports without types. `runtime-heap.ts` declares the parts that are
// used.
declare module "onnxruntime-web/ort-wasm-simd-threaded.mjs";
