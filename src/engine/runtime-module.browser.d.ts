// The runtime's own module, which its package exports without types.
declare module "onnxruntime-web/ort-wasm-simd-threaded.mjs";
