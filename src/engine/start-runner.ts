// Chooses a backend for a span in this worker: WebAssembly, or WebGPU where it passes its self-test and is faster.
import { convertedBytes, type SpanSource } from "../protocol/span-plan.ts";
import { spanLength } from "../shared/ids.ts";
import { errorMessage } from "../shared/errors.ts";
import type { EngineOptions, EngineReport } from "./contract.ts";
import { unpackSpan } from "./dequantize.ts";
import type { Ort } from "./ort.ts";
import { type SelfTest, selfTest, selfTestAgrees } from "./self-test.ts";
import { SpanRunner, type SpanRunnerOptions } from "./span-runner.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of unpacked weights at most: a WebAssembly heap of 4 GB holds them once more while the session is built. */
  unpackedBytes: 1.5e9,
});

/** Backend, and with a plus what was done to weights and graph: all of it is part of the determinism class. */
type Form = "webgpu" | `wasm${"" | "+f32-weights"}${"" | "+rows"}`;

export interface StartedRunner {
  readonly ort: Ort;
  readonly runner: SpanRunner;
  readonly report: EngineReport;
}

/**
 * Builds `source`'s span on the backend that `choice` names, or on the faster one; with `rowInvariant` in that form where
 * the span has one and WebAssembly runs it. Throws ENGINE_FAILED.
 */
export async function startRunner(
  source: SpanSource,
  choice: EngineOptions["backend"],
  rowInvariant: boolean = false,
): Promise<StartedRunner> {
  const notices: string[] = [];
  const device = choice === "wasm" ? undefined : await requestDevice(notices);
  if (!device) {
    if (choice === "webgpu") notices.push("This browser offers no WebGPU adapter here, so WebAssembly is used.");
    const ort: Ort = await import("onnxruntime-web/wasm");
    const cpu = wasmForm(source, rowInvariant, notices);
    const runner = await SpanRunner.create(ort, cpu.source, { ...cpu.options, drain: true });
    return started(ort, runner, await selfTest(runner, () => performance.now()), cpu.form, notices);
  }
  const ort: Ort = "Suspending" in WebAssembly ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/webgpu");
  const cpu = wasmForm(source, rowInvariant, notices);
  const wasm = await SpanRunner.create(ort, cpu.source, cpu.options);
  const reference = await selfTest(wasm, () => performance.now());
  try {
    const webgpu = await SpanRunner.create(ort, source, {
      executionProviders: [{ name: "webgpu", device }],
      cacheOnDevice: true,
      drain: true, // WebAssembly's session stands: this one is the last
    });
    const candidate = await selfTest(webgpu, () => performance.now());
    const agrees = selfTestAgrees(reference, candidate);
    if (!agrees) notices.push("WebGPU gave other numbers than WebAssembly in its self-test on this device, so it is not used.");
    if (agrees && (choice === "webgpu" || candidate.stepMs < reference.stepMs)) {
      await wasm.release();
      return started(ort, webgpu, candidate, "webgpu", notices);
    }
    await webgpu.release();
    if (agrees)
      notices.push(
        `WebAssembly is faster than WebGPU for this span here (${reference.stepMs.toFixed(1)} ms a step against ${candidate.stepMs.toFixed(1)} ms).`,
      );
  } catch (error) {
    // WebGPU is an offer; whatever it fails with, the same span already runs on WebAssembly.
    notices.push(`WebGPU could not run this span, so WebAssembly is used: ${errorMessage(error)}`);
  }
  return started(ort, wasm, reference, cpu.form, notices);
}

interface WasmForm {
  readonly source: SpanSource;
  readonly options: SpanRunnerOptions;
  readonly form: Form;
}

/** What runs on WebAssembly: rows that do not know their step where asked for, packed weights unpacked where that fits. */
function wasmForm(source: SpanSource, rowInvariant: boolean, notices: string[]): WasmForm {
  const rows = rowInvariant ? rowsForm(source, notices) : undefined;
  const { source: chosen, isUnpacked } = weightsForm(rows?.source ?? source, notices);
  return {
    source: chosen,
    options: { executionProviders: ["wasm"], cacheOnDevice: false, ...(rows && { stepBreaks: rows.stepBreaks }) },
    form: `wasm${isUnpacked ? "+f32-weights" : ""}${rows ? "+rows" : ""}`,
  };
}

function rowsForm(source: SpanSource, notices: string[]): { source: SpanSource; stepBreaks: readonly number[] } | undefined {
  const { rowInvariant } = source;
  if (rowInvariant?.kind === "graph")
    return { source: { ...source, graph: rowInvariant.graph, converted: rowInvariant.converted }, stepBreaks: rowInvariant.stepBreaks };
  notices.push(`Results of this span depend on how positions are grouped into steps: ${rowInvariant?.reason ?? "it has no other form"}.`);
  return undefined;
}

function weightsForm(source: SpanSource, notices: string[]): { readonly source: SpanSource; readonly isUnpacked: boolean } {
  if (!source.converted) return { source, isUnpacked: false };
  if (convertedBytes(source.converted) > DEFAULTS.unpackedBytes) {
    notices.push("This span's 4-bit weights are too large to unpack here, so WebAssembly runs them packed, which is several times slower.");
    return { source, isUnpacked: false };
  }
  return { source: unpackSpan(source), isUnpacked: true };
}

function started(ort: Ort, runner: SpanRunner, test: SelfTest, form: Form, notices: readonly string[]): StartedRunner {
  const layerMs = test.stepMs / spanLength(runner.plan.span);
  return {
    ort,
    runner,
    report: {
      backend: form === "webgpu" ? "webgpu" : "wasm",
      determinismClass: `onnxruntime-web@${ort.env.versions.web ?? ort.env.versions.common}/${form}/1`,
      rowInvariant: form.endsWith("+rows"),
      layerMs,
      notices,
    },
  };
}

/**
 * A GPU device without the `subgroups` feature: with it, attention over 32 positions or more is wrong on some adapters
 * (docs/decisions.md). Undefined where there is no adapter.
 */
async function requestDevice(notices: string[]): Promise<GPUDevice | undefined> {
  try {
    // `gpu` is missing in browsers without WebGPU and in insecure contexts, whatever the type says.
    const adapter = await (navigator as Partial<Navigator>).gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) return undefined;
    const features: GPUFeatureName[] = ["shader-f16"];
    const {
      maxBufferSize,
      maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX,
      maxStorageBuffersPerShaderStage,
    } = adapter.limits;
    return await adapter.requestDevice({
      requiredFeatures: features.filter((feature) => adapter.features.has(feature)),
      requiredLimits: {
        maxBufferSize,
        maxStorageBufferBindingSize,
        maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX,
        maxStorageBuffersPerShaderStage,
      },
    });
  } catch (error) {
    notices.push(`WebGPU did not start: ${errorMessage(error)}`);
    return undefined;
  }
}
