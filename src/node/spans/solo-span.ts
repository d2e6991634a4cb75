// The whole model in this tab, for its own prompts only: what answers when nobody lends.
import type { SoloPeer } from "../../inference/requester/find-route.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId, Span } from "../../shared/ids.ts";
import type { LoadProgress } from "../../shared/progress.ts";
import { isBetterRowInvariant } from "../../protocol/span-plan.ts";
import type { RoutePeer } from "../../route/route-cost.ts";
import type { BackendChoice } from "../state.ts";
import { CACHE_BUDGET_BYTES, type SpanLoader } from "./lender.ts";
import type { HeldSpans } from "./held-spans.ts";
import type { SpanHost, StartSpan } from "./span-host.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two progress events. */
  progressMs: 100,
  /** Milliseconds without a prompt after which the model is freed: from what the browser keeps it is back in a second or two. */
  idleMs: 5 * 60_000,
});

export interface SoloSpanDeps {
  readonly self: PeerId;
  readonly model: SpanLoader;
  readonly desk: HeldSpans;
  readonly startSpan: StartSpan;
  readonly backend: () => BackendChoice;
  readonly clock: Clock;
}

export class SoloSpan implements SoloPeer {
  readonly #deps: SoloSpanDeps;
  #host: SpanHost | undefined;
  #loading: Promise<void> | undefined;
  #progress: LoadProgress | undefined;
  readonly #stopping = new AbortController();
  /** Ends the wait after which the model is freed. */
  #patience = new AbortController();

  constructor(deps: SoloSpanDeps) {
    this.#deps = deps;
  }

  get #span(): Span {
    return { start: 0, end: this.#deps.model.layerCount };
  }

  /** This tab as a peer that serves all layers, once loaded; whoever looks for a route by it finds it loaded for a while. */
  get peer(): RoutePeer | undefined {
    this.#wait();
    return this.#host && { peer: this.#deps.self, serving: [this.#span], sessions: 0, layerMs: this.#host.report.layerMs };
  }

  /** Loads the model, and yields its progress. Throws MODEL_CORRUPT, MODEL_UNAVAILABLE, ENGINE_FAILED or the signal's reason. */
  async *load(signal: AbortSignal): AsyncGenerator<LoadProgress | undefined, void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined; // the next prompt tries again
      throw error;
    });
    const loading = this.#loading.then(() => "loaded" as const);
    for (;;) {
      signal.throwIfAborted();
      const progress = this.#progress;
      yield progress;
      const tick = new Promise<"tick">((resolve) => setTimeout(() => resolve("tick"), DEFAULTS.progressMs));
      if ((await Promise.race([loading, tick])) === "loaded") return;
    }
  }

  /** Frees the model unless a prompt runs on it: the next one loads it again. */
  async free(): Promise<void> {
    const host = this.#host;
    if (!host || host.openSessions > 0) return;
    this.#forget(host);
    this.#deps.desk.remove(host);
    await host.dispose();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#patience.abort();
    await this.#loading?.catch(() => {}); // told to whoever waited for it
    await this.#host?.dispose();
  }

  async #load(): Promise<void> {
    const { model, startSpan, desk, backend } = this.#deps;
    const { signal } = this.#stopping;
    const source = await model.loadSpan(this.#span, (progress) => (this.#progress = progress), signal);
    const host = await startSpan(
      source,
      { backend: backend(), cacheBudgetBytes: CACHE_BUDGET_BYTES, share: 1, rowInvariant: isBetterRowInvariant(source) },
      signal,
    );
    desk.add(host, { onlySelf: true });
    this.#host = host;
    host.on("sessions:changed", () => this.#wait());
    void host.died.then(() => this.#forget(host));
    this.#wait();
  }

  #forget(host: SpanHost): void {
    if (this.#host !== host) return;
    this.#patience.abort();
    this.#host = undefined;
    this.#loading = undefined;
  }

  /** Counts the idle time anew. */
  #wait(): void {
    this.#patience.abort();
    if (!this.#host) return;
    const patience = new AbortController();
    this.#patience = patience;
    this.#deps.clock.sleep(DEFAULTS.idleMs, patience.signal).then(
      () => this.free(),
      () => {}, // asked again, or freed already
    );
  }
}
