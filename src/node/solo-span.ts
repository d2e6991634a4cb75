// The whole model in this tab, for its own prompts only: what answers when nobody lends.
import type { Engine, StartEngine } from "../engine/contract.ts";
import type { GenerateEvent } from "../inference/generate-event.ts";
import type { SpanService } from "../inference/span-service.ts";
import type { PeerId, Span } from "../shared/ids.ts";
import type { LoadProgress } from "../shared/progress.ts";
import type { RoutePeer } from "../route/route-cost.ts";
import type { BackendChoice } from "./handle.ts";
import { CACHE_BUDGET_BYTES, type SpanLoader } from "./lender.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two progress events. */
  progressMs: 100,
});

export interface SoloSpanDeps {
  readonly self: PeerId;
  readonly model: SpanLoader;
  readonly service: SpanService;
  readonly startEngine: StartEngine;
  readonly backend: () => BackendChoice;
}

export class SoloSpan {
  readonly #deps: SoloSpanDeps;
  #engine: Engine | undefined;
  #loading: Promise<void> | undefined;
  #progress: LoadProgress | undefined;
  readonly #stopping = new AbortController();

  constructor(deps: SoloSpanDeps) {
    this.#deps = deps;
  }

  get #span(): Span {
    return { start: 0, end: this.#deps.model.layerCount };
  }

  /** This tab as a peer that serves all layers, once loaded. */
  get peer(): RoutePeer | undefined {
    return this.#engine && { peer: this.#deps.self, serving: [this.#span], sessions: 0, layerMs: this.#engine.report.layerMs };
  }

  /** Loads the model, telling how far it is. Throws MODEL_CORRUPT, MODEL_UNAVAILABLE, ENGINE_FAILED or the signal's reason. */
  async *load(message: string, signal: AbortSignal): AsyncGenerator<GenerateEvent, void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined; // the next prompt tries again
      throw error;
    });
    const loading = this.#loading.then(() => "loaded" as const);
    for (;;) {
      signal.throwIfAborted();
      yield { kind: "waiting", message, progress: this.#progress };
      const tick = new Promise<"tick">((resolve) => setTimeout(() => resolve("tick"), DEFAULTS.progressMs));
      if ((await Promise.race([loading, tick])) === "loaded") return;
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loading?.catch(() => {}); // told to whoever waited for it
    await this.#engine?.dispose();
  }

  async #load(): Promise<void> {
    const { model, startEngine, service, backend } = this.#deps;
    const { signal } = this.#stopping;
    const source = await model.loadSpan(this.#span, (progress) => (this.#progress = progress), signal);
    const engine = await startEngine(source, { backend: backend(), cacheBudgetBytes: CACHE_BUDGET_BYTES, share: 1 }, signal);
    service.add(engine, { onlySelf: true });
    this.#engine = engine;
    void engine.died.then(() => {
      this.#engine = undefined;
      this.#loading = undefined;
    });
  }
}
