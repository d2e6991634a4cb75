// One run of lending a model: follows the swarm, loads the span that the placement plan gives this tab, and serves it.
import { isBetterRowInvariant, type SplitSpan } from "../../protocol/span-plan.ts";
import { isCovered } from "../../route/coverage.ts";
import type { PlacementModel } from "../../route/layer-rates.ts";
import { mayRelease, planPlacement } from "../../route/plan-placement.ts";
import { isAbort } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorMessage } from "../../shared/errors.ts";
import { type ModelId, type PeerId, sameSpan, type Span } from "../../shared/ids.ts";
import type { LoadProgress } from "../../shared/progress.ts";
import type { BackendChoice, HostKind, LendState } from "../state.ts";
import { announcementOf, isStillNeeded, maxLayersOf, placementPeers } from "./lender-facts.ts";
import type { Announcer } from "./presence.ts";
import { toProblem } from "../problem.ts";
import type { HeldSpans } from "./held-spans.ts";
import type { SpanHost, StartSpan } from "./span-host.ts";
import { Waker } from "./waker.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds that changes of the swarm get to settle before this tab acts: several peers often move at once. */
  settleMs: 120,
  /**
   * Milliseconds for which a span still takes sessions after this tab has left it: routes planned a moment ago use it.
   */
  overlapMs: 1_500,
  /** Milliseconds that the sessions on such a span get to finish. */
  drainMs: 120_000,
  /** Milliseconds that answers get to find a detour around a tab that stops: a spare takes over in less. */
  leaveMs: 1_000,
  /** Milliseconds between two announcements if only counts change. */
  countsMs: 1_000,
  /** Milliseconds after a failed move before the next try. */
  retryMs: 5_000,
  /** Spans in one announcement: the one that this tab holds, and those it has left that routes still need. */
  spansServed: 4,
  /** Bytes of key/value cache, for all sessions together. */
  cacheBudgetBytes: 256 * 1024 * 1024,
});

export const CACHE_BUDGET_BYTES = DEFAULTS.cacheBudgetBytes;

/** A model whose spans can be loaded. */
export interface SpanLoader extends PlacementModel {
  readonly id: ModelId;
  /** Returns the longest part of `span`, from its start, that fits this device; undefined if no layer does. */
  fit?(span: Span): Span | undefined;
  loadSpan(span: Span, onProgress: (progress: LoadProgress) => void, signal: AbortSignal): Promise<SplitSpan>;
}

export interface LenderOptions {
  readonly self: PeerId;
  readonly host: HostKind;
  readonly model: SpanLoader;
  readonly directory: Announcer;
  readonly heldSpans: HeldSpans;
  readonly startSpan: StartSpan;
  readonly clock: Clock;
  readonly settings: () => { readonly share: number; readonly backend: BackendChoice };
  readonly onState: (state: LendState) => void;
  readonly onNotice: (sentence: string) => void;
}

/** A span that is loaded and served. */
interface Held {
  readonly span: Span;
  readonly host: SpanHost;
  /** What the person had chosen when it was loaded. */
  readonly choice: BackendChoice;
}

/** A span on its way to being held. */
interface Move {
  readonly span: Span;
  readonly choice: BackendChoice;
  readonly abort: AbortController;
}

/** Runs from `start` until `stop`, or until it fails: it shows why, and the person decides about another try. */
export class Lender {
  readonly #options: LenderOptions;
  readonly #stopping = new AbortController();
  #held: Held | undefined;
  #move: Move | undefined;
  #target: Span | undefined;
  #tokensServed = 0;
  #stopped: Promise<void> | undefined;
  #following: Promise<void> = Promise.resolve();
  readonly #background = new Set<Promise<void>>();
  /** Spans that this tab has left for other layers, and that some routes cannot do without yet. */
  readonly #leaving = new Set<Held>();
  readonly #maxLayers: number | undefined;
  readonly #waker: Waker;

  constructor(options: LenderOptions) {
    this.#options = options;
    this.#maxLayers = maxLayersOf(options.model);
    this.#waker = new Waker(options.clock, this.#stopping.signal);
  }

  start(): void {
    this.#options.onState({ kind: "joining", step: "Asking the swarm which layers help most" });
    this.#following = this.#follow();
  }

  /** Leaves the directory first, so that no new route leads here, then lets go of running answers. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#options.directory.withdraw();
    this.#stopping.abort();
    this.#move?.abort.abort();
    await this.#following;
    await Promise.all(this.#background);
    const held = this.#held;
    this.#held = undefined;
    if (held) {
      // The person has said stop, so the tab computes no longer than it takes running answers to find a detour.
      await this.#withLimit(DEFAULTS.leaveMs, (limit) => held.host.leave(limit));
      await this.#release(held, AbortSignal.abort());
    }
    this.#options.onState({ kind: "off" });
  }

  /** The share acts at once; another backend means that the span is built anew. */
  settingsChanged(): void {
    this.#held?.host.setShare(this.#options.settings().share);
    this.#waker.wake();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    const stops = [
      this.#options.directory.on("swarm:changed", () => this.#waker.wake()),
      this.#options.heldSpans.on("span:served", ({ positions }) => {
        this.#tokensServed += positions;
      }),
    ];
    this.#announce();
    try {
      for (let counted = this.#counts(); !signal.aborted;) {
        const woken = await this.#waker.woken(DEFAULTS.countsMs);
        if (woken) await this.#options.clock.sleep(DEFAULTS.settleMs, signal);
        this.#reconcile();
        const counts = this.#counts();
        if (counts !== counted) this.#announce();
        counted = counts;
      }
    } catch (error) {
      if (!isAbort(error, signal)) this.#fail(error);
    } finally {
      for (const stop of stops) stop();
    }
  }

  /** Compares the span that the plan gives this peer with the one that it holds, and starts a move if they differ. */
  #reconcile(): void {
    const { directory, self, model, settings } = this.#options;
    const peers = directory.swarm.peers.filter((peer) => peer.model === model.id);
    if (!peers.some((peer) => peer.peer === self)) return; // the relay does not list this peer yet
    const planned = planPlacement(placementPeers(peers, model, self, this.#target), model).get(self);
    if (!planned) return;
    // Others plan around the announced target: layers that do not fit here are left to them.
    const target = model.fit?.(planned) ?? planned;
    if (!this.#target || !sameSpan(this.#target, target)) {
      this.#target = target;
      this.#announce();
    }
    const { backend } = settings();
    const current = this.#move ?? this.#held;
    if (current && sameSpan(current.span, target) && current.choice === backend) return;
    if (this.#held && sameSpan(this.#held.span, target) && this.#held.choice === backend) {
      this.#move?.abort.abort(); // the plan is back at the span that is held
      return;
    }
    const servedByOthers = peers.filter((peer) => peer.peer !== self).flatMap((peer) => peer.serving);
    const onlyShrinks = this.#held && isCovered(target, [this.#held.span]) && !sameSpan(this.#held.span, target);
    if (this.#held && onlyShrinks && !mayRelease(this.#held.span, target, servedByOthers)) return; // others do not serve the rest yet
    this.#move?.abort.abort();
    this.#spawn(this.#moveTo({ span: target, choice: backend, abort: new AbortController() }));
  }

  async #moveTo(move: Move): Promise<void> {
    const { model, startSpan, settings, heldSpans, clock } = this.#options;
    this.#move = move;
    const signal = AbortSignal.any([move.abort.signal, this.#stopping.signal]);
    try {
      this.#show(move, { doneBytes: 0, totalBytes: 0, fromCacheBytes: 0, bytesPerSecond: 0 });
      const source = await model.loadSpan(move.span, (progress) => this.#show(move, progress), signal);
      if (!this.#held) this.#options.onState({ kind: "preparing", span: move.span });
      const host = await startSpan(
        source,
        {
          backend: move.choice,
          cacheBudgetBytes: DEFAULTS.cacheBudgetBytes,
          share: settings().share,
          rowInvariant: isBetterRowInvariant(source),
        },
        signal,
      );
      for (const sentence of host.report.notices) this.#options.onNotice(sentence);
      const before = this.#held;
      this.#held = { span: move.span, host, choice: move.choice };
      this.#move = undefined;
      heldSpans.add(host);
      performance.mark("manyhands:serving", { detail: { conversionMs: host.report.conversionMs } });
      void host.died.then((error) => this.#died(host, error));
      this.#announce();
      this.#showServing();
      if (before) this.#spawn(this.#leave(before));
    } catch (error) {
      if (this.#move === move) this.#move = undefined;
      if (signal.aborted) return;
      if (!this.#held) {
        this.#fail(error);
        return;
      }
      this.#options.onNotice(
        `Moving to other layers failed (${errorMessage(error)}). Layers ${this.#held.span.start} to ${this.#held.span.end - 1} are still served; trying again.`,
      );
      await clock.sleep(DEFAULTS.retryMs, this.#stopping.signal).catch(() => {}); // stopped: nothing to wake
      this.#waker.wake();
    }
  }

  /** Frees a span that this tab has left, once other peers serve its layers and the sessions on it have ended. */
  async #leave(held: Held): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, directory, model, self } = this.#options;
    const others = (): Span[] =>
      directory.swarm.peers.filter((peer) => peer.model === model.id && peer.peer !== self).flatMap((peer) => peer.serving);
    const until = clock.now() + DEFAULTS.drainMs;
    while (!signal.aborted && this.#held && clock.now() < until) {
      if (!isStillNeeded(held.span, [this.#held.span, ...others()], model.layerCount)) break;
      if (!this.#leaving.has(held)) {
        this.#leaving.add(held);
        this.#announce();
      }
      await clock.sleep(DEFAULTS.countsMs, signal).catch(() => {}); // stopped: the span is freed at once
    }
    if (this.#leaving.delete(held)) this.#announce();
    await clock.sleep(DEFAULTS.overlapMs, signal).catch(() => {}); // stopped: the span is freed at once
    await this.#withLimit(DEFAULTS.drainMs, (limit) => this.#release(held, AbortSignal.any([signal, limit])));
  }

  /** Frees a span whose sessions may go on until the signal aborts. */
  async #release({ host }: Held, signal: AbortSignal): Promise<void> {
    await host.retire(signal);
    this.#options.heldSpans.remove(host);
    await host.dispose();
  }

  /**
   * Runs `work` under a signal that aborts after `ms` milliseconds, and waits for it: it ends the sessions itself then.
   */
  async #withLimit(ms: number, work: (limit: AbortSignal) => Promise<void>): Promise<void> {
    const limit = new AbortController();
    const timer = new AbortController();
    this.#options.clock.sleep(ms, timer.signal).then(
      () => limit.abort(),
      () => {}, // `work` was done in time
    );
    try {
      await work(limit.signal);
    } finally {
      timer.abort();
    }
  }

  #died(host: SpanHost, error: Error): void {
    if (this.#held?.host !== host || this.#stopping.signal.aborted) return;
    this.#held = undefined;
    this.#fail(error);
  }

  /** Ends this run: nothing is served, and nothing can be. */
  #fail(error: unknown): void {
    this.#options.directory.withdraw();
    this.#options.onState({ kind: "failed", problem: toProblem(error) });
    this.#stopping.abort();
  }

  #show(move: Move, progress: LoadProgress): void {
    if (this.#move !== move || this.#stopping.signal.aborted) return;
    if (this.#held) this.#showServing(progress);
    else this.#options.onState({ kind: "loading", span: move.span, progress });
  }

  #showServing(moving?: LoadProgress): void {
    if (!this.#held || this.#stopping.signal.aborted) return;
    this.#options.onState({ kind: "serving", span: this.#held.span, backend: this.#held.host.report.backend, moving });
  }

  #announce(): void {
    if (this.#stopping.signal.aborted) return;
    const { model, host, heldSpans, directory } = this.#options;
    const facts = {
      model: model.id,
      host,
      target: this.#target,
      serving: [...(this.#held ? [this.#held] : []), ...this.#leaving].slice(0, DEFAULTS.spansServed).map(({ span }) => span),
      engine: this.#held?.host,
      maxLayers: this.#maxLayers,
      sessions: heldSpans.openSessions,
      reservedPositions: heldSpans.reservedPositions,
      cacheBudgetBytes: DEFAULTS.cacheBudgetBytes,
      tokensServed: this.#tokensServed,
    };
    directory.announce(announcementOf(facts));
  }

  #counts(): string {
    return `${this.#options.heldSpans.openSessions} ${this.#tokensServed}`;
  }

  #spawn(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => this.#fail(error)).finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }
}
