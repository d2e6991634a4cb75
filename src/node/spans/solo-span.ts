// The whole model in this tab, for its own prompts only: it answers when nobody lends.
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
  /** Milliseconds without a prompt until the model is freed: loading it from storage again takes a second or two. */
  idleMs: 5 * 60_000,
});

export interface SoloSpanOptions {
  readonly self: PeerId;
  readonly model: SpanLoader;
  readonly heldSpans: HeldSpans;
  readonly startSpan: StartSpan;
  readonly backend: () => BackendChoice;
  readonly clock: Clock;
}

export class SoloSpan implements SoloPeer {
  readonly #options: SoloSpanOptions;
  #host: SpanHost | undefined;
  #loading: Promise<void> | undefined;
  #progress: LoadProgress | undefined;
  readonly #stopping = new AbortController();
  /** Ends the countdown after which the model is freed. */
  #idle = new AbortController();

  constructor(options: SoloSpanOptions) {
    this.#options = options;
  }

  get #span(): Span {
    return { start: 0, end: this.#options.model.layerCount };
  }

  /** This tab as a peer that serves all layers; undefined until they are loaded. Reading it restarts the idle time. */
  get peer(): RoutePeer | undefined {
    this.#restartIdle();
    return this.#host && { peer: this.#options.self, serving: [this.#span], sessions: 0, layerMs: this.#host.report.layerMs };
  }

  /**
   * Loads the model, and yields its progress. Throws MODEL_CORRUPT, MODEL_UNAVAILABLE, ENGINE_FAILED or the signal's
   * reason.
   */
  async *load(signal: AbortSignal): AsyncGenerator<LoadProgress | undefined, void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined; // the next prompt tries again
      throw error;
    });
    const loading = this.#loading.then(() => "loaded" as const);
    for (;;) {
      signal.throwIfAborted();
      const progress = this.#progress; // the linter does not see a private field that is only yielded
      yield progress;
      const tick = this.#options.clock.sleep(DEFAULTS.progressMs, signal).then(() => "tick" as const);
      if ((await Promise.race([loading, tick])) === "loaded") return;
    }
  }

  /** Frees the model unless a prompt runs on it. The next prompt loads it again. */
  async free(): Promise<void> {
    const host = this.#host;
    if (!host || host.openSessions > 0) return;
    this.#forget(host);
    this.#options.heldSpans.remove(host);
    await host.dispose();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#idle.abort();
    await this.#loading?.catch(() => {}); // `load` has thrown it
    await this.#host?.dispose();
  }

  async #load(): Promise<void> {
    const { model, startSpan, heldSpans, backend } = this.#options;
    const { signal } = this.#stopping;
    const source = await model.loadSpan(this.#span, (progress) => (this.#progress = progress), signal);
    const host = await startSpan(
      source,
      { backend: backend(), cacheBudgetBytes: CACHE_BUDGET_BYTES, share: 1, rowInvariant: isBetterRowInvariant(source) },
      signal,
    );
    heldSpans.add(host, { onlySelf: true });
    this.#host = host;
    host.on("sessions:changed", () => this.#restartIdle());
    void host.died.then(() => this.#forget(host));
    this.#restartIdle();
  }

  #forget(host: SpanHost): void {
    if (this.#host !== host) return;
    this.#idle.abort();
    this.#host = undefined;
    this.#loading = undefined;
  }

  /** Starts the idle time anew. */
  #restartIdle(): void {
    this.#idle.abort();
    if (!this.#host) return;
    const idle = new AbortController();
    this.#idle = idle;
    this.#options.clock.sleep(DEFAULTS.idleMs, idle.signal).then(
      () => this.free(),
      () => {}, // a prompt came, or the model is freed already
    );
  }
}
