// Starts ONNX Runtime Web's WebAssembly build, and gets hold of its module, so that `runtime-heap.ts` can keep caches
// in its memory.
import type { Ort } from "./ort.ts";
import { RuntimeHeap, type RuntimeModule } from "./runtime-heap.ts";

type Factory = (...given: readonly unknown[]) => Promise<RuntimeModule>;

/**
 * The global name of our factory. The package imports a module by its address and calls its default export for the
 * runtime; the module that we give it finds our factory only by this name.
 */
const FACTORY = "manyhands:runtime-factory";
const SOURCE = `export default (...given) => globalThis[${JSON.stringify(FACTORY)}](...given);`;

let runtime: Promise<Ort> | undefined;

/** Returns the runtime of this thread. Its memory can be reached from its first session on. */
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

/**
 * Node cannot import blobs, and needs the address of the runtime's own file. The page's policy allows no `data:`
 * addresses.
 */
function pathsOf(source: string): { readonly mjs: string; readonly wasm?: string } {
  if (!("process" in globalThis)) return { mjs: URL.createObjectURL(new Blob([source], { type: "text/javascript" })) };
  return {
    mjs: `data:text/javascript,${encodeURIComponent(source)}`,
    wasm: import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
  };
}
