// Chooses a backend for a span in this worker: WebAssembly, or WebGPU where it passes its self-test and is faster.
import { convertedBytes, MAX_UNPACKED_BYTES, type SpanSource, type SplitSpan } from "../protocol/span-plan.ts";
import { spanLength } from "../shared/ids.ts";
import { errorMessage } from "../shared/errors.ts";
import type { EngineOptions, EngineReport } from "./contract.ts";
import { unpackSpan } from "./dequantize.ts";
import { freeBuffer } from "./draining-bytes.ts";
import type { Ort } from "./ort.ts";
import { type SelfTest, selfTest, selfTestAgrees } from "./self-test.ts";
import { chainRunners, type Runner } from "./runner-chain.ts";
import { SpanRunner, type SpanRunnerOptions } from "./span-runner.ts";

type Form = "wasm" | "wasm+f32-weights" | "webgpu";

/** How WebAssembly takes a part's weights, and how long it has taken to make them so. */
interface WasmForm {
  readonly name: Exclude<Form, "webgpu">;
  readonly conversionMs: number;
  take(part: SpanSource): SpanSource;
}

export interface StartedRunner {
  readonly ort: Ort;
  readonly runner: Runner;
  readonly report: EngineReport;
}

/** Builds `source`'s span on the backend that `choice` names, or on the faster one. Throws ENGINE_FAILED. */
export async function startRunner(source: SplitSpan, choice: EngineOptions["backend"]): Promise<StartedRunner> {
  const notices: string[] = [];
  const device = choice === "wasm" ? undefined : await requestDevice(notices);
  if (!device) {
    if (choice === "webgpu") notices.push("This browser offers no WebGPU adapter here, so WebAssembly is used.");
    const ort: Ort = await import("onnxruntime-web/wasm");
    const cpu = wasmForm(source, notices);
    const runner = await build(ort, source, (part) => cpu.take(part), { executionProviders: ["wasm"], cacheOnDevice: false, drain: true });
    return started(ort, runner, await selfTest(runner, () => performance.now()), cpu.name, { conversionMs: cpu.conversionMs, notices });
  }
  const ort: Ort = "Suspending" in WebAssembly ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/webgpu");
  const cpu = wasmForm(source, notices);
  const wasm = await build(ort, source, (part) => cpu.take(part), { executionProviders: ["wasm"], cacheOnDevice: false });
  const reference = await selfTest(wasm, () => performance.now());
  try {
    const webgpu = await build(ort, source, (part) => part, {
      executionProviders: [{ name: "webgpu", device }],
      cacheOnDevice: true,
      drain: true, // WebAssembly's session stands: this one is the last
    });
    const candidate = await selfTest(webgpu, () => performance.now());
    const agrees = selfTestAgrees(reference, candidate);
    if (!agrees) notices.push("WebGPU gave other numbers than WebAssembly in its self-test on this device, so it is not used.");
    if (agrees && (choice === "webgpu" || candidate.stepMs < reference.stepMs)) {
      await wasm.release();
      return started(ort, webgpu, candidate, "webgpu", { conversionMs: cpu.conversionMs, notices });
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
  return started(ort, wasm, reference, cpu.name, { conversionMs: cpu.conversionMs, notices });
}

/** A session for each part, one after the other: of `take`'s copies of weights one part's are in memory at a time. */
async function build(
  ort: Ort,
  { plan, parts }: SplitSpan,
  take: (part: SpanSource) => SpanSource,
  options: SpanRunnerOptions,
): Promise<Runner> {
  const runners: Runner[] = [];
  try {
    for (const part of parts) {
      runners.push(await SpanRunner.create(ort, take(part), options));
      if (options.drain) freeUnread(part, parts.slice(parts.indexOf(part) + 1));
    }
  } catch (error) {
    await Promise.all(runners.map((runner) => runner.release()));
    throw error;
  }
  return chainRunners(plan, runners);
}

/** Frees what a part has no more use for: packed weights, and what no part behind it reads too. */
function freeUnread({ externalData }: SpanSource, behind: readonly SpanSource[]): void {
  const wanted = new Set(behind.flatMap((part) => part.externalData.map(({ data }) => data.buffer)));
  for (const { data } of externalData) if (!wanted.has(data.buffer)) freeBuffer(data.buffer);
}

/** What runs on WebAssembly: packed weights unpacked where that fits, which is part of the determinism class. */
function wasmForm({ parts }: SplitSpan, notices: string[]): WasmForm {
  const unpackedBytes = parts.reduce((sum, { converted }) => sum + (converted ? convertedBytes(converted) : 0), 0);
  const asItIs: WasmForm = { name: "wasm", conversionMs: 0, take: (part) => part };
  if (unpackedBytes === 0) return asItIs;
  if (unpackedBytes > MAX_UNPACKED_BYTES) {
    notices.push("This span's 4-bit weights are too large to unpack here, so WebAssembly runs them packed, which is several times slower.");
    return asItIs;
  }
  let conversionMs = 0;
  return {
    name: "wasm+f32-weights",
    get conversionMs() {
      return conversionMs;
    },
    take: (part) => {
      const begun = performance.now();
      const unpacked = unpackSpan(part);
      conversionMs += performance.now() - begun;
      return unpacked;
    },
  };
}

/** `form` is the backend, and with a plus what was done to the weights: both are part of the determinism class. */
function started(
  ort: Ort,
  runner: Runner,
  test: SelfTest,
  form: Form,
  loading: Pick<EngineReport, "conversionMs" | "notices">,
): StartedRunner {
  const layerMs = test.stepMs / spanLength(runner.plan.span);
  return {
    ort,
    runner,
    report: {
      backend: form === "webgpu" ? "webgpu" : "wasm",
      determinismClass: `onnxruntime-web@${ort.env.versions.web ?? ort.env.versions.common}/${form}/1`,
      layerMs,
      ...loading,
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
