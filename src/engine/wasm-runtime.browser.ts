// ONNX Runtime Web's WebAssembly build, with its memory within reach so that caches need not be copied out of it and back.
import type { Ort } from "./ort.ts";
import { RuntimeHeap, type RuntimeModule } from "./runtime-heap.ts";

type Factory = (...given: readonly unknown[]) => Promise<RuntimeModule>;

/** Where the module that the runtime imports finds the factory: it is imported by its address and gets nothing else. */
const FACTORY = "manyhands:runtime-factory";
const SOURCE = `export default (...given) => globalThis[${JSON.stringify(FACTORY)}](...given);`;

let runtime: Promise<Ort> | undefined;

/** The runtime of this thread; its memory is there from its first session on. */
export function wasmRuntime(): Promise<Ort> {
  return (runtime ??= start());
}

async function start(): Promise<Ort> {
  const [ort, { default: factory }] = await Promise.all([
    import("onnxruntime-web/wasm"),
    import("onnxruntime-web/ort-wasm-simd-threaded.mjs") as Promise<{ readonly default: Factory }>,
  ]);
  let heap: RuntimeHeap | undefined;
  Object.assign(globalThis, {
    [FACTORY]: async (...given: readonly unknown[]) => {
      const module = await factory(...given);
      heap = new RuntimeHeap(module);
      return module;
    },
  });
  ort.env.wasm.wasmPaths = pathsOf(SOURCE);
  return {
    InferenceSession: ort.InferenceSession,
    Tensor: ort.Tensor,
    env: ort.env,
    get heap() {
      return heap;
    },
  };
}

/** Node imports no blobs, and needs to be told where the runtime's own file lies; the page's policy allows no data: addresses. */
function pathsOf(source: string): { readonly mjs: string; readonly wasm?: string } {
  if (!("process" in globalThis)) return { mjs: URL.createObjectURL(new Blob([source], { type: "text/javascript" })) };
  return {
    mjs: `data:text/javascript,${encodeURIComponent(source)}`,
    wasm: import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
  };
}
