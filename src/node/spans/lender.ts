// Assignments: follows the swarm, holds the span that the placement plan gives this tab, and serves it.
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
import { announcementOf, isStillNeeded, placementPeers, roomFor } from "./lender-facts.ts";
import type { Announcer } from "./presence.ts";
import { toProblem } from "../problem.ts";
import type { HeldSpans } from "./held-spans.ts";
import type { SpanHost, StartSpan } from "./span-host.ts";
import { Waker } from "./waker.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds to let changes of the swarm settle before acting on them: several peers often move at once. */
  settleMs: 120,
  /** Milliseconds for which a span that was left still takes sessions: routes planned a moment ago use it. */
  overlapMs: 1_500,
  /** Milliseconds that sessions on a span that was left get to finish. */
  drainMs: 120_000,
  /** Milliseconds that answers get to go round a tab that stops: a spare that holds the same layers takes over in less. */
  leaveMs: 1_000,
  /** Milliseconds between announcements that only update counts. */
  countsMs: 1_000,
  /** Milliseconds after which a move that failed is tried again. */
  retryMs: 5_000,
  /** Spans announced at once: one held, and those that routes still need while others move. */
  spansServed: 4,
  /** Bytes of key/value cache for all sessions together. */
  cacheBudgetBytes: 256 * 1024 * 1024,
});

export const CACHE_BUDGET_BYTES = DEFAULTS.cacheBudgetBytes;

/** A model whose spans can be loaded. */
export interface SpanLoader extends PlacementModel {
  readonly id: ModelId;
  /** The longest part of a span, from its start, that this device can hold; undefined where there is none. */
  fit?(span: Span): Span | undefined;
  loadSpan(span: Span, onProgress: (progress: LoadProgress) => void, signal: AbortSignal): Promise<SplitSpan>;
}

export interface LenderDeps {
  readonly self: PeerId;
  readonly host: HostKind;
  readonly model: SpanLoader;
  readonly directory: Announcer;
  readonly desk: HeldSpans;
  readonly startSpan: StartSpan;
  readonly clock: Clock;
  readonly settings: () => { readonly share: number; readonly backend: BackendChoice };
  readonly onState: (state: LendState) => void;
  readonly onNotice: (sentence: string) => void;
}

interface Held {
  readonly span: Span;
  readonly host: SpanHost;
  readonly choice: BackendChoice;
}

interface Move {
  readonly span: Span;
  readonly choice: BackendChoice;
  readonly abort: AbortController;
}

/** One run of lending, from the switch going on to its going off. */
export class Lender {
  readonly #deps: LenderDeps;
  readonly #stopping = new AbortController();
  #held: Held | undefined;
  #move: Move | undefined;
  #target: Span | undefined;
  #tokensServed = 0;
  #stopped: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  readonly #background = new Set<Promise<void>>();
  /** Left for other layers, and still on some route that has no other way. */
  readonly #leaving = new Set<Held>();
  readonly #maxLayers: number | undefined;
  readonly #waker: Waker;

  constructor(deps: LenderDeps) {
    this.#deps = deps;
    this.#maxLayers = roomFor(deps.model);
    this.#waker = new Waker(deps.clock, this.#stopping.signal);
  }

  start(): void {
    this.#deps.onState({ kind: "joining", step: "Asking the swarm which layers help most" });
    this.#running = this.#follow();
  }

  /** Leaves: announces it first, so that nobody routes here, then lets running answers go. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#deps.directory.withdraw();
    this.#stopping.abort();
    this.#move?.abort.abort();
    await this.#running;
    await Promise.all(this.#background);
    const held = this.#held;
    this.#held = undefined;
    if (held) {
      // Nobody computes for others once they have said stop; whoever is in the middle of an answer gets a moment to go round.
      await held.host.leave(AbortSignal.timeout(DEFAULTS.leaveMs));
      await this.#release(held, AbortSignal.abort());
    }
    this.#deps.onState({ kind: "off" });
  }

  /** Settings changed: the share acts at once, another backend rebuilds the span. */
  settingsChanged(): void {
    this.#held?.host.setShare(this.#deps.settings().share);
    this.#waker.wake();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    const stops = [
      this.#deps.directory.on("swarm:changed", () => this.#waker.wake()),
      this.#deps.desk.on("span:served", ({ positions }) => {
        this.#tokensServed += positions;
      }),
    ];
    this.#announce();
    try {
      for (let counted = this.#counts(); !signal.aborted;) {
        const woken = await this.#waker.woken(DEFAULTS.countsMs);
        if (woken) await this.#deps.clock.sleep(DEFAULTS.settleMs, signal);
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

  /** Compares what the plan gives this peer with what it holds, and starts the move between them. */
  #reconcile(): void {
    const { directory, self, model, settings } = this.#deps;
    const peers = directory.swarm.peers.filter((peer) => peer.model === model.id);
    if (!peers.some((peer) => peer.peer === self)) return; // the relay has not heard of this peer yet
    const planned = planPlacement(placementPeers(peers, model, self, this.#target), model).get(self);
    if (!planned) return;
    // More than this device can hold is offered to others: what is announced is what they plan around.
    const target = model.fit?.(planned) ?? planned;
    if (!this.#target || !sameSpan(this.#target, target)) {
      this.#target = target;
      this.#announce();
    }
    const { backend } = settings();
    const current = this.#move ?? this.#held;
    if (current && sameSpan(current.span, target) && current.choice === backend) return;
    if (this.#held && sameSpan(this.#held.span, target) && this.#held.choice === backend) {
      this.#move?.abort.abort(); // back to what is held already
      return;
    }
    const servedByOthers = peers.filter((peer) => peer.peer !== self).flatMap((peer) => peer.serving);
    const onlyShrinks = this.#held && isCovered(target, [this.#held.span]) && !sameSpan(this.#held.span, target);
    if (this.#held && onlyShrinks && !mayRelease(this.#held.span, target, servedByOthers)) return; // the others are not there yet
    this.#move?.abort.abort();
    this.#spawn(this.#moveTo({ span: target, choice: backend, abort: new AbortController() }));
  }

  async #moveTo(move: Move): Promise<void> {
    const { model, startSpan, settings, desk, clock } = this.#deps;
    this.#move = move;
    const signal = AbortSignal.any([move.abort.signal, this.#stopping.signal]);
    try {
      this.#show(move, { doneBytes: 0, totalBytes: 0, fromCacheBytes: 0, bytesPerSecond: 0 });
      const source = await model.loadSpan(move.span, (progress) => this.#show(move, progress), signal);
      if (!this.#held) this.#deps.onState({ kind: "preparing", span: move.span });
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
      for (const sentence of host.report.notices) this.#deps.onNotice(sentence);
      const before = this.#held;
      this.#held = { span: move.span, host, choice: move.choice };
      this.#move = undefined;
      desk.add(host);
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
      this.#deps.onNotice(
        `Moving to other layers failed (${errorMessage(error)}). Layers ${this.#held.span.start} to ${this.#held.span.end - 1} are still served; trying again.`,
      );
      await clock.sleep(DEFAULTS.retryMs, this.#stopping.signal).catch(() => {}); // stopped: nothing to wake
      this.#waker.wake();
    }
  }

  /** Frees a span that was moved away from, once others lead where it led and the routes that use it are through. */
  async #leave(held: Held): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, directory, model, self } = this.#deps;
    const others = (): Span[] =>
      directory.swarm.peers.filter((peer) => peer.model === model.id && peer.peer !== self).flatMap((peer) => peer.serving);
    const until = clock.now() + DEFAULTS.drainMs;
    while (!signal.aborted && this.#held && clock.now() < until) {
      if (!isStillNeeded(held.span, [this.#held.span, ...others()], model.layerCount)) break;
      if (!this.#leaving.has(held)) {
        this.#leaving.add(held);
        this.#announce();
      }
      await clock.sleep(DEFAULTS.countsMs, signal).catch(() => {}); // stopped: free it at once
    }
    if (this.#leaving.delete(held)) this.#announce();
    await clock.sleep(DEFAULTS.overlapMs, signal).catch(() => {}); // stopped: free it at once
    await this.#release(held, AbortSignal.any([signal, AbortSignal.timeout(DEFAULTS.drainMs)]));
  }

  async #release(held: Held, signal: AbortSignal): Promise<void> {
    await held.host.retire(signal);
    this.#deps.desk.remove(held.host);
    await held.host.dispose();
  }

  #died(host: SpanHost, error: Error): void {
    if (this.#held?.host !== host || this.#stopping.signal.aborted) return;
    this.#held = undefined;
    this.#fail(error);
  }

  /** Nothing is served and nothing can be: the person decides about another try. */
  #fail(error: unknown): void {
    this.#deps.directory.withdraw();
    this.#deps.onState({ kind: "failed", problem: toProblem(error) });
    this.#stopping.abort();
  }

  #show(move: Move, progress: LoadProgress): void {
    if (this.#move !== move || this.#stopping.signal.aborted) return;
    if (this.#held) this.#showServing(progress);
    else this.#deps.onState({ kind: "loading", span: move.span, progress });
  }

  #showServing(moving?: LoadProgress): void {
    if (!this.#held || this.#stopping.signal.aborted) return;
    this.#deps.onState({ kind: "serving", span: this.#held.span, backend: this.#held.host.report.backend, moving });
  }

  #announce(): void {
    if (this.#stopping.signal.aborted) return;
    const { model, host, desk, directory } = this.#deps;
    const facts = {
      model: model.id,
      host,
      target: this.#target,
      serving: [...(this.#held ? [this.#held] : []), ...this.#leaving].slice(0, DEFAULTS.spansServed).map(({ span }) => span),
      engine: this.#held?.host,
      maxLayers: this.#maxLayers,
      sessions: desk.openSessions,
      reservedPositions: desk.reservedPositions,
      cacheBudgetBytes: DEFAULTS.cacheBudgetBytes,
      tokensServed: this.#tokensServed,
    };
    directory.announce(announcementOf(facts));
  }

  #counts(): string {
    return `${this.#deps.desk.openSessions} ${this.#tokensServed}`;
  }

  #spawn(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => this.#fail(error)).finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }
}
