// The worker in which a tab computes tasks: all kinds but strangers' programs, which run in a frame of their own.
import type { OnnxModels } from "../../engine/onnx-models.browser.ts";
import { startOnnxModels } from "../../engine/start-onnx-models.browser.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { GpuTracer } from "../../tasks/kinds/render/gpu-tracer.browser.ts";
import { loadKinds, PLAIN_KINDS, withCode } from "../../tasks/kinds/find-kind.ts";
import { mlInferenceBy } from "../../tasks/kinds/ml-inference.ts";
import { renderGpuBy } from "../../tasks/kinds/render/render-gpu.ts";
import { type FetchTile, LocalRunner } from "../../tasks/volunteer/local-runner.ts";
import { onnxRunner } from "./onnx-runner.ts";
import type { FromTaskWorker, ToTaskWorker } from "./task-contract.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two reports of progress: each wakes the page beside a computation. */
  progressMs: 250,
});

const running = new Map<number, AbortController>();
const asked = new Map<number, (bytes: Uint8Array<ArrayBuffer> | undefined) => void>();
let asks = 0;
let models: Promise<OnnxModels> | undefined;

const post = (message: FromTaskWorker, transfer: Transferable[] = []): void => postMessage(message, { transfer });

const fetchTile: FetchTile = (hash, sizeBytes, { signal, requester }) => {
  const ask = ++asks;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      asked.delete(ask);
      reject(signal.reason as Error);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    asked.set(ask, (bytes) => {
      signal.removeEventListener("abort", onAbort);
      resolve(bytes);
    });
    post({ kind: "fetch", ask, hash, sizeBytes, requester });
  });
};

const onnx = onnxRunner(() => (models ??= startOnnxModels()), fetchTile);
const runner = (async (): Promise<LocalRunner> => {
  const plain = (await loadKinds(PLAIN_KINDS)).values();
  const own = [withCode("ml_inference", mlInferenceBy(onnx)), withCode("render_gpu", renderGpuBy(new GpuTracer(navigator.gpu)))];
  return new LocalRunner([...plain, ...own], fetchTile);
})();
runner.catch(reportError); // the page sees an error event, as if the worker's own script could not be fetched

async function run({ id, task, requester }: Extract<ToTaskWorker, { kind: "run" }>): Promise<void> {
  const stop = new AbortController();
  running.set(id, stop);
  let reportedMs = performance.now();
  const progress = (): void => {
    const nowMs = performance.now();
    if (nowMs - reportedMs < DEFAULTS.progressMs) return;
    reportedMs = nowMs;
    post({ kind: "progress", id });
  };
  try {
    const output = await (await runner).run(task, { signal: stop.signal, progress, ...(requester && { requester }) });
    const whole = output.byteLength === output.buffer.byteLength ? output : output.slice();
    post({ kind: "done", id, output: whole }, [whole.buffer]);
  } catch (error) {
    post({ kind: "failed", id, code: errorCode(error) ?? "TASK_FAILED", message: errorMessage(error).slice(0, 400) });
  } finally {
    running.delete(id);
  }
}

addEventListener("message", ({ data }: MessageEvent<ToTaskWorker>) => {
  switch (data.kind) {
    case "run":
      void run(data);
      return;
    case "cancel":
      running.get(data.id)?.abort(new ManyhandsError("PEER_LOST", "nobody wants this task any more"));
      return;
    case "tile":
      asked.get(data.ask)?.(data.bytes);
      asked.delete(data.ask);
  }
});
