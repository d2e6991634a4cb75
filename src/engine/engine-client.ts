// The page's side of an engine worker: starts it, loads a span, and races every call against the worker's death.
import { type Remote, releaseProxy, transfer, wrap } from "comlink";
import { type SpanPlan, spanBuffers, type SplitSpan } from "../protocol/span-plan.ts";
import { abortable } from "../shared/abort.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { SessionId } from "../shared/ids.ts";
import type { Engine, EngineOptions, EngineReport, EngineResult, EngineWorkerApi, StartEngine, StepInput, StepOutput } from "./contract.ts";

/** Starts a worker and builds `source` in it; the source's buffers are handed over. Throws as StartEngine says. */
export const startWorkerEngine: StartEngine = async (source, options, signal) => {
  signal.throwIfAborted();
  const engine = new WorkerEngine(source.plan);
  try {
    await abortable(engine.load(source, options), signal);
    return engine;
  } catch (error) {
    await engine.dispose();
    throw error;
  }
};

class WorkerEngine implements Engine {
  readonly plan: SpanPlan;
  readonly died: Promise<Error>;
  readonly #worker: Worker;
  readonly #api: Remote<EngineWorkerApi>;
  #report: EngineReport | undefined;
  /** Calls under way, to be failed when the worker dies. */
  readonly #calls = new Set<(error: Error) => void>();
  #death: Error | undefined;
  #settleDied: (error: Error) => void = () => {};

  constructor(plan: SpanPlan) {
    this.plan = plan;
    this.#worker = new Worker(new URL("./engine-worker.ts", import.meta.url), {
      type: "module",
      name: `span ${plan.span.start}-${plan.span.end}`,
    });
    this.#api = wrap<EngineWorkerApi>(this.#worker);
    this.died = new Promise((resolve) => {
      this.#settleDied = resolve;
    });
    this.#worker.addEventListener("error", (event) =>
      this.#die(new ManyhandsError("ENGINE_FAILED", `the engine's worker stopped: ${event.message || "it could not be loaded"}`)),
    );
    this.#worker.addEventListener("messageerror", () =>
      this.#die(new ManyhandsError("ENGINE_FAILED", "the engine's worker sent something unreadable")),
    );
  }

  get report(): EngineReport {
    if (!this.#report) throw new ManyhandsError("ENGINE_FAILED", "this span is not loaded yet");
    return this.#report;
  }

  async load(source: SplitSpan, options: EngineOptions): Promise<void> {
    this.#report = await this.#call(this.#api.load(transfer(source, spanBuffers(source)), options));
  }

  async open(session: SessionId, maxPositions: number): Promise<void> {
    await this.#call(this.#api.open(session, maxPositions));
  }

  step(input: StepInput): Promise<StepOutput> {
    // Copied, not transferred: a hidden state is often a view into a frame, and a few kilobytes.
    return this.#call(this.#api.step(input));
  }

  async truncate(session: SessionId, position: number): Promise<void> {
    await this.#call(this.#api.truncate(session, position));
  }

  async close(session: SessionId): Promise<void> {
    await this.#call(this.#api.close(session));
  }

  setShare(share: number): void {
    void Promise.resolve(this.#api.setShare(share)).catch(() => {}); // a dead worker has no share to keep
  }

  dispose(): Promise<void> {
    this.#api[releaseProxy]();
    this.#worker.terminate();
    this.#die(new ManyhandsError("ENGINE_FAILED", "this span is no longer loaded"));
    return Promise.resolve();
  }

  /** A call that is pending when the worker dies never settles by itself. */
  async #call<T>(pending: Promise<EngineResult<T>>): Promise<T> {
    let onDeath: (error: Error) => void = () => {};
    const death = new Promise<never>((_, reject) => {
      onDeath = reject;
    });
    this.#calls.add(onDeath);
    if (this.#death) onDeath(this.#death);
    try {
      const result = await Promise.race([pending, death]);
      if (!result.ok) throw new ManyhandsError(result.code, result.message);
      return result.value;
    } finally {
      this.#calls.delete(onDeath);
    }
  }

  #die(error: Error): void {
    if (this.#death) return;
    this.#death = error;
    this.#settleDied(error);
    for (const onDeath of [...this.#calls]) onDeath(error);
  }
}
