// Chooses a backend for a span in this worker: WebAssembly, or WebGPU where it passes its self-test and is faster.
import { convertedBytes, MAX_UNPACKED_BYTES, type SpanSource, type SplitSpan } from "../protocol/span-plan.ts";
import { spanLength } from "../shared/ids.ts";
import { errorMessage } from "../shared/errors.ts";
import type { EngineOptions, EngineReport } from "./contract.ts";
import { unpackSpan } from "./dequantize.ts";
import { freeBuffer } from "./draining-bytes.ts";
import type { Ort } from "./ort.ts";
import { type SelfTest, selfTest, selfTestAgrees, timeStep } from "./self-test.ts";
import { chainRunners, type Runner } from "./runner-chain.ts";
import { SpanRunner, type SpanRunnerOptions } from "./span-runner.ts";
import { wasmRuntime } from "./wasm-runtime.browser.ts";

/** Backend, and with a plus what was done to weights and graph: all of it is part of the determinism class. */
type Form = "webgpu" | `wasm${"" | "+f32-weights"}${"" | "+rows"}`;

/** How the parts of a span are built. */
interface BuildForm {
  take(index: number): { readonly source: SpanSource; readonly options: SpanRunnerOptions };
}

export type RunnerChoice = Pick<EngineOptions, "backend" | "rowInvariant">;

export interface StartedRunner {
  readonly ort: Ort;
  readonly runner: Runner;
  readonly report: EngineReport;
}

/**
 * Builds `source`'s span on the backend that `choice` names, or on the faster one; with `rowInvariant` in that form where
 * the span has one and WebAssembly runs it. Throws ENGINE_FAILED.
 */
export async function startRunner(source: SplitSpan, { backend: choice, rowInvariant = false }: RunnerChoice): Promise<StartedRunner> {
  const notices: string[] = [];
  const device = choice === "wasm" ? undefined : await requestDevice(notices);
  if (!device) {
    if (choice === "webgpu") notices.push("This browser offers no WebGPU adapter here, so WebAssembly is used.");
    const ort = await wasmRuntime();
    const cpu = wasmForm(source, rowInvariant, notices);
    const runner = await build(ort, source, cpu, { drain: true });
    return started(ort, runner, await timeStep(runner, () => performance.now()), cpu.name, { conversionMs: cpu.conversionMs, notices });
  }
  const ort: Ort = "Suspending" in WebAssembly ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/webgpu");
  const cpu = wasmForm(source, rowInvariant, notices);
  const wasm = await build(ort, source, cpu, { drain: false });
  const reference = await selfTest(wasm, () => performance.now());
  try {
    const options: SpanRunnerOptions = { executionProviders: [{ name: "webgpu", device }], cacheOnDevice: true };
    const gpu: BuildForm = { take: (index) => ({ source: source.parts[index] as SpanSource, options }) };
    const webgpu = await build(ort, source, gpu, { drain: true }); // WebAssembly's session stands: this one is the last
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

/** A session for each part, one after the other: of the form's copies of weights one part's are in memory at a time. */
async function build(ort: Ort, { plan, parts }: SplitSpan, form: BuildForm, { drain }: { readonly drain: boolean }): Promise<Runner> {
  const runners: Runner[] = [];
  try {
    for (const [index, part] of parts.entries()) {
      const { source, options } = form.take(index);
      runners.push(await SpanRunner.create(ort, source, { ...options, drain }));
      if (drain) freeUnread(part, parts.slice(index + 1));
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

/** What runs on WebAssembly: rows that do not know their step where asked for, packed weights unpacked where that fits. */
function wasmForm(
  source: SplitSpan,
  rowInvariant: boolean,
  notices: string[],
): BuildForm & { readonly name: Form; readonly conversionMs: number } {
  const rows = rowInvariant ? rowsForm(source, notices) : undefined;
  const parts = rows ?? source.parts.map((part) => ({ part, stepBreaks: [] }));
  const unpackedBytes = parts.reduce((sum, { part }) => sum + (part.converted ? convertedBytes(part.converted) : 0), 0);
  const unpacks = unpackedBytes > 0 && unpackedBytes <= MAX_UNPACKED_BYTES;
  if (unpackedBytes > 0 && !unpacks)
    notices.push("This span's 4-bit weights are too large to unpack here, so WebAssembly runs them packed, which is several times slower.");
  let conversionMs = 0;
  return {
    name: `wasm${unpacks ? "+f32-weights" : ""}${rows ? "+rows" : ""}`,
    get conversionMs() {
      return conversionMs;
    },
    take: (index) => {
      const { part, stepBreaks } = parts[index] as RowsPart; // one for each part of the source
      const options: SpanRunnerOptions = { executionProviders: ["wasm"], cacheOnDevice: false, stepBreaks };
      if (!unpacks) return { source: part, options };
      const begun = performance.now();
      const unpacked = unpackSpan(part);
      conversionMs += performance.now() - begun;
      return { source: unpacked, options };
    },
  };
}

interface RowsPart {
  readonly part: SpanSource;
  readonly stepBreaks: readonly number[];
}

/** Every part in its row-invariant form; undefined, with a notice, where one has none. */
function rowsForm({ parts }: SplitSpan, notices: string[]): readonly RowsPart[] | undefined {
  const forms: RowsPart[] = [];
  for (const part of parts) {
    const { rowInvariant } = part;
    if (rowInvariant?.kind !== "graph") {
      notices.push(
        `Results of this span depend on how positions are grouped into steps: ${rowInvariant?.reason ?? "it has no other form"}.`,
      );
      return undefined;
    }
    const { graph, converted, stepBreaks } = rowInvariant;
    forms.push({ part: { ...part, graph, converted }, stepBreaks });
  }
  return forms;
}

function started(
  ort: Ort,
  runner: Runner,
  test: Pick<SelfTest, "stepMs">,
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
      rowInvariant: form.endsWith("+rows"),
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
