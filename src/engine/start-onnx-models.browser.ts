// ONNX Runtime Web for the models of tasks, loaded when the first one comes.
import { OnnxModels } from "./onnx-models.browser.ts";
import type { Ort } from "./ort.ts";

export async function startOnnxModels(): Promise<OnnxModels> {
  const ort: Ort = await import("onnxruntime-web/wasm");
  return new OnnxModels(ort);
}
