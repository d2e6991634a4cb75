// Chooses a backend for a span in this worker: WebAssembly, or WebGPU if it passes its self-test and is faster.
import { convertedBytes, MAX_UNPACKED_BYTES, type SpanSource, type SplitSpan } from "../protocol/span-plan.ts";
import type { Clock } from "../shared/clock.ts";
import { errorMessage } from "../shared/errors.ts";
import { spanLength } from "../shared/ids.ts";
import type { EngineOptions, EngineReport } from "./contract.ts";
import { unpackSpan } from "./dequantize.ts";
import { freeBuffer } from "./draining-bytes.ts";
import type { Ort } from "./ort.ts";
import { type SelfTest, selfTest, selfTestAgrees, timeStep } from "./self-test.ts";
import { chainRunners, type Runner } from "./runner-chain.ts";
import { SpanRunner, type SpanRunnerOptions } from "./span-runner.ts";
import { wasmRuntime } from "./wasm-runtime.browser.ts";

/**
 * The backend and, after each plus, a change to the weights or the graph. All of it is part of the determinism class.
 */
type Form = "webgpu" | `wasm${"" | "+f32-weights"}${"" | "+rows"}`;

/** How the parts of a span are built. */
interface BuildForm {
  /** Called once for each part, in order. */
  prepare(index: number): { readonly source: SpanSource; readonly options: SpanRunnerOptions };
}

export type RunnerChoice = Pick<EngineOptions, "backend" | "rowInvariant">;

export interface StartedRunner {
  readonly ort: Ort;
  readonly runner: Runner;
  readonly report: EngineReport;
}

/**
 * Builds `source`'s span on the backend that `choice` names, or on the faster one. `rowInvariant` asks for that form,
 * which the span gets if it has one and WebAssembly runs it. Throws ENGINE_FAILED.
 */
export async function startRunner(
  source: SplitSpan,
  { backend: choice, rowInvariant = false }: RunnerChoice,
  clock: Pick<Clock, "now">,
): Promise<StartedRunner> {
  const notices: string[] = [];
  const device = choice === "wasm" ? undefined : await requestDevice(notices);
  if (!device) {
    if (choice === "webgpu") notices.push("This browser offers no WebGPU adapter here, so WebAssembly is used.");
    const ort = await wasmRuntime();
    const cpu = wasmForm(source, rowInvariant, notices, clock);
    const runner = await build(ort, source, cpu, { drain: true });
    return started(ort, runner, await timeStep(runner, clock), cpu.name, { conversionMs: cpu.conversionMs, notices });
  }
  const ort: Ort = "Suspending" in WebAssembly ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/webgpu");
  const cpu = wasmForm(source, rowInvariant, notices, clock);
  const wasm = await build(ort, source, cpu, { drain: false });
  const reference = await selfTest(wasm, clock);
  try {
    const options: SpanRunnerOptions = { executionProviders: [{ name: "webgpu", device }], cacheOnDevice: true };
    const gpu: BuildForm = { prepare: (index) => ({ source: source.parts[index] as SpanSource, options }) };
    const webgpu = await build(ort, source, gpu, { drain: true }); // WebAssembly's session stands already, so nothing else is built from this source
    const candidate = await selfTest(webgpu, clock);
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
    // Whatever WebGPU fails with, the same span already runs on WebAssembly.
    notices.push(`WebGPU could not run this span, so WebAssembly is used: ${errorMessage(error)}`);
  }
  return started(ort, wasm, reference, cpu.name, { conversionMs: cpu.conversionMs, notices });
}

/**
 * Builds a session for each part, one after the other, so that only one part's unpacked weights are in memory at a
 * time.
 */
async function build(ort: Ort, { plan, parts }: SplitSpan, form: BuildForm, { drain }: { readonly drain: boolean }): Promise<Runner> {
  const runners: Runner[] = [];
  try {
    for (const [index, part] of parts.entries()) {
      const { source, options } = form.prepare(index);
      runners.push(await SpanRunner.create(ort, source, { ...options, drain }));
      if (drain) freeUnread(part, parts.slice(index + 1));
    }
  } catch (error) {
    await Promise.all(runners.map((runner) => runner.release()));
    throw error;
  }
  return chainRunners(plan, runners);
}

/** Frees the files of a part that no part behind it reads. */
function freeUnread({ externalData }: SpanSource, behind: readonly SpanSource[]): void {
  const stillRead = new Set(behind.flatMap((part) => part.externalData.map(({ data }) => data.buffer)));
  for (const { data } of externalData) if (!stillRead.has(data.buffer)) freeBuffer(data.buffer);
}

/**
 * The form for WebAssembly: row-invariant if that is asked for, and with packed weights unpacked if that fits in
 * memory.
 */
function wasmForm(
  source: SplitSpan,
  rowInvariant: boolean,
  notices: string[],
  clock: Pick<Clock, "now">,
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
    prepare: (index) => {
      const { part, stepBreaks } = parts[index] as RowsPart; // one for each part of the source
      const options: SpanRunnerOptions = { executionProviders: ["wasm"], cacheOnDevice: false, stepBreaks };
      if (!unpacks) return { source: part, options };
      const begunMs = clock.now();
      const unpacked = unpackSpan(part);
      conversionMs += clock.now() - begunMs;
      return { source: unpacked, options };
    },
  };
}

interface RowsPart {
  readonly part: SpanSource;
  readonly stepBreaks: readonly number[];
}

/** Returns every part in its row-invariant form; undefined, with a notice, if a part has none. */
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
 * Requests a GPU device without the `subgroups` feature: with it, attention over 32 positions or more is wrong on some
 * adapters (docs/decisions.md). Returns undefined if there is no adapter.
 */
async function requestDevice(notices: string[]): Promise<GPUDevice | undefined> {
  try {
    // `gpu` is missing in browsers without WebGPU and in insecure contexts, although the type says otherwise.
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
