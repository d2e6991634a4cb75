// Keeps the route of one session going: watches whether steps come back, asks the hops when they do not, puts others in
// the place of lost ones until the route is whole again, and reports that. `live-route.ts` is the route itself, and
// `route-session.ts` knows nothing of all this but that its steps may take longer.
import type { SpanTiming } from "../../protocol/session-frames.ts";
import type { Route } from "../../route/plan-route.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { hopsOf } from "../answer-progress.ts";
import type { GenerateEvent } from "../generate-event.ts";
import type { HopLink } from "./hop-link.ts";
import type { LiveRoute, RouteTrouble } from "./live-route.ts";
import { isWrong, PeerBans } from "./peer-bans.ts";
import type { PendingStep, PendingSteps } from "./pending-steps.ts";
import type { DetourRequest } from "./plan-detour.ts";
import { ProgressWatch } from "./progress-watch.ts";
import { LEASE, StepLease } from "./step-lease.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a peer must accept a link and open its span, before an answer has begun. */
  openMs: 10_000,
  /** The same for a replacement, which somebody waits for in the middle of a sentence. */
  detourMs: 4_000,
  /** Milliseconds between two signs of life that survivors are asked for while nobody fills the gap. */
  keepMs: 20_000,
  /** Milliseconds in which a survivor must give such a sign. */
  keepProbeMs: 10_000,
  /** Attempts to mend the route without an answer in between. */
  attempts: 24,
  /** Milliseconds before the next attempt, times how many failed in a row. */
  pauseMs: 40,
});

/** Yields `waiting` events; returns a route over survivors and others. */
export type FindDetour = (request: DetourRequest, signal: AbortSignal) => AsyncGenerator<GenerateEvent, Route>;

/** Why a route failed, and at which peer if that is known, so that the next try can leave it out. */
export interface RouteFailure {
  readonly error: ManyhandsError;
  readonly peer: PeerId | undefined;
}

export interface RouteMenderOptions {
  readonly self: PeerId;
  readonly clock: Clock;
  readonly route: LiveRoute;
  /** Without it a lost peer is the end. */
  readonly findDetour: FindDetour | undefined;
  readonly pending: Pick<PendingSteps, "first" | "isEmpty" | "largestCount">;
  /** Positions that the requester's log holds. A new hop computes all of them again. */
  readonly positions: () => number;
  /** Whether somebody waits for an answer. If nobody does, the route is not worth mending. */
  readonly isAwaited: () => boolean;
  readonly onEvent: (event: GenerateEvent) => void;
  readonly onFailure: (failure: RouteFailure) => void;
  /** The route stays broken. */
  readonly onBroken: (error: ManyhandsError) => void;
  /** Aborts when the session is over. */
  readonly signal: AbortSignal;
}

/** Mendings that the last span has not replied to yet. */
interface Mended {
  readonly lost: readonly PeerId[];
  /** Positions that the new hops compute again. */
  readonly replayed: number;
  /** When the loss was noticed, by the clock. */
  readonly noticedMs: number;
  /** Milliseconds from the route's last sign to then. */
  readonly detectMs: number;
  /** Milliseconds from then until every new hop was open and linked. */
  readonly linkMs: number;
}

export class RouteMender {
  readonly #options: RouteMenderOptions;
  readonly #bans: PeerBans;
  readonly #lease = new StepLease();
  readonly #watch: ProgressWatch;
  /** Hops that were lost since the route was last whole. */
  #lost: readonly HopLink[] = [];
  #isMending = false;
  /** Attempts since the last span last replied. */
  #attempts = 0;
  /** Ends the search for a detour when another hop is lost. */
  #search: AbortController | undefined;
  #mended: Mended | undefined;

  constructor(options: RouteMenderOptions) {
    this.#options = options;
    const { clock, signal, pending } = options;
    this.#bans = new PeerBans(clock);
    this.#watch = new ProgressWatch({
      clock,
      signal,
      askAfterMs: () => (this.#isMending ? Infinity : pending.first && this.#lease.askAfterMs(pending.first.count)),
      ask: (strikes, until) => this.#askRoute(strikes, until),
    });
  }

  /**
   * Opens `route`, all hops at once. Throws the error of the hop to blame, after `onFailure`, or the signal's reason.
   */
  async open(route: Route, signal: AbortSignal): Promise<void> {
    const live = this.#options.route;
    this.#isMending = true; // a hop that fails now makes the opening fail
    this.#attempts = 1;
    await live.establish(route, DEFAULTS.openMs, signal);
    signal.throwIfAborted();
    const index = live.hops.findIndex((hop) => hop.error !== undefined);
    const failed = live.hops[index];
    if (failed?.error !== undefined) {
      const { error } = failed;
      // A span that cannot reach the next one is not to blame itself.
      const isToBlame = !failed.wasRefused || error.code !== "PEER_UNREACHABLE";
      this.#options.onFailure({ peer: (isToBlame ? failed : (live.hops[index + 1] ?? failed)).hop.peer, error });
      throw error;
    }
    this.#isMending = false;
    if (!live.isWhole) this.#start();
  }

  /** Notes trouble with the route, and mends it. */
  noticed(trouble: RouteTrouble): void {
    switch (trouble.kind) {
      case "lost":
        this.#bans.ban(trouble.hop.hop.peer, isWrong(trouble.error.code) ? "wrong" : "lost");
        this.#lost = [...this.#lost, trouble.hop];
        this.#search?.abort();
        break;
      case "leaving":
        this.#bans.ban(trouble.hop.hop.peer, "leaving");
        break;
      case "doubt":
        break;
    }
    this.#start();
  }

  /** `step` is on its way, and pending. */
  sent(step: PendingStep): void {
    if (this.#options.pending.first === step) this.#watch.heard(); // nothing was waited for until now
    this.#lease.sent(step.count);
    this.#watch.start();
  }

  /** The last span has replied to `step`. */
  completed(step: PendingStep, timings: readonly SpanTiming[]): void {
    // Counted from the route's last sign, because the time that mending took says nothing about the next step.
    const sinceMs = Math.max(step.sentMs, this.#watch.heardMs);
    this.#watch.heard();
    this.#lease.completed(step.count, this.#watch.heardMs - sinceMs, timings);
    if (this.#attempts > 0) this.#options.route.prove();
    this.#attempts = 0;
    this.#reportMended();
  }

  /** Mends the route, unless that is under way. */
  #start(): void {
    const { signal, isAwaited, onBroken } = this.#options;
    if (this.#isMending || signal.aborted) return;
    if (isAwaited()) void this.#run();
    else onBroken(this.#lastError());
  }

  async #run(): Promise<void> {
    this.#isMending = true;
    const { clock, route, signal, pending, positions, onFailure, onBroken } = this.#options;
    const noticedMs = clock.now();
    const detectMs = noticedMs - this.#watch.heardMs;
    try {
      await this.#mend();
      const lost = this.#lost;
      this.#lost = [];
      for (const { hop } of lost) this.#lease.replaced(hop.span.start);
      const linkMs = clock.now() - noticedMs;
      this.#addMended({ lost: lost.map(({ hop }) => hop.peer), replayed: positions(), noticedMs, detectMs, linkMs });
      this.#watch.heard();
      if (pending.isEmpty) this.#reportMended();
    } catch (cause) {
      const error = cause instanceof ManyhandsError ? cause : new ManyhandsError("PEER_LOST", "the route was lost", { cause });
      if (!signal.aborted) onFailure({ peer: this.#lost.at(-1)?.hop.peer, error });
      onBroken(error);
    } finally {
      this.#isMending = false;
      if (!route.isWhole) this.#start(); // another link broke while it was mended
    }
  }

  /**
   * Replaces lost hops until the route is whole. If that cannot be done, throws the error of a hop, or the signal's
   * reason.
   */
  async #mend(): Promise<void> {
    const { clock, route, signal } = this.#options;
    for (let failures = 0; !route.isWhole; failures++) {
      signal.throwIfAborted();
      if (++this.#attempts > DEFAULTS.attempts) throw this.#lastError();
      if (failures > 0) await clock.sleep(DEFAULTS.pauseMs * failures, signal);
      await route.settleDoubts(signal);
      const next = route.isComplete ? route.hops.map(({ hop }) => hop) : await this.#findDetour();
      if (next !== undefined) await route.establish(next, DEFAULTS.detourMs, signal);
    }
  }

  /**
   * Returns a route without the lost hops; undefined if the gaps have changed meanwhile, or if a leaving hop has to
   * stay.
   */
  async #findDetour(): Promise<Route | undefined> {
    const { findDetour, route, signal, onEvent } = this.#options;
    const alive = route.hops.filter((hop) => hop.isOpen);
    const leaving = alive.filter((hop) => hop.isLeaving);
    if (findDetour === undefined) {
      if (alive.length < route.hops.length) throw this.#lastError();
      for (const hop of leaving) hop.isIrreplaceable = true;
      return undefined;
    }
    const search = new AbortController();
    this.#search = search;
    const until = AbortSignal.any([signal, search.signal]);
    this.#keepSurvivors(until).catch(() => {}); // ends with the search
    try {
      const request: DetourRequest = {
        kept: alive.map(({ hop }) => hop),
        leaving: leaving.map(({ hop }) => hop),
        exclude: () => this.#bans.peers,
        silent: () => this.#bans.silent,
      };
      const found = await runSearch(findDetour(request, until), onEvent);
      for (const hop of leaving) if (found.includes(hop.hop)) hop.isIrreplaceable = true;
      return found;
    } catch (error) {
      if (search.signal.aborted && !signal.aborted) return undefined; // another hop was lost: the detour is planned anew
      throw error;
    } finally {
      search.abort();
      this.#search = undefined;
    }
  }

  /**
   * While nobody fills the gap, asks the survivors for signs of life: that keeps their caches, and shows which of them
   * leave.
   */
  async #keepSurvivors(signal: AbortSignal): Promise<void> {
    const { clock, route } = this.#options;
    for (;;) {
      await clock.sleep(DEFAULTS.keepMs, signal);
      await route.probe(() => DEFAULTS.keepProbeMs, signal);
    }
  }

  /**
   * Asks every hop for a sign of life, each for as long as it may compute. Returns whether all of them live and none is
   * busy: after `LEASE.strikes` such replies, the link to the first hop that has fewer positions than the one before it
   * is in doubt.
   */
  async #askRoute(strikes: number, signal: AbortSignal): Promise<boolean> {
    const { route, pending, positions } = this.#options;
    const count = this.#mended === undefined ? pending.largestCount : this.#lease.largestCount;
    const signs = await route.probe((hop) => this.#lease.aliveMs(hop.hop.span.start, count), signal);
    const isStuck = !signs.some(({ busy }) => busy);
    if (isStuck && strikes >= LEASE.strikes && !this.#isMending) {
      const behind = signs.findIndex(({ position }, index) => position < (signs[index - 1]?.position ?? positions()));
      route.doubt(behind < 0 ? signs.length - 1 : behind);
    }
    return isStuck;
  }

  /** Losses before the last span replies count as one. */
  #addMended(mended: Mended): void {
    const before = this.#mended;
    this.#mended = before ? { ...before, lost: [...before.lost, ...mended.lost], linkMs: before.linkMs + mended.linkMs } : mended;
  }

  #reportMended(): void {
    if (this.#mended === undefined) return;
    const { self, clock, route, onEvent } = this.#options;
    const { noticedMs, ...figures } = this.#mended;
    this.#mended = undefined;
    const now = route.hops.map(({ hop }) => hop);
    onEvent({ kind: "rerouted", ...figures, hops: hopsOf(now, self), resumeMs: clock.now() - noticedMs });
  }

  #lastError(): ManyhandsError {
    return this.#lost.at(-1)?.error ?? new ManyhandsError("PEER_LOST", "the route could not be mended");
  }
}

/** Reports every event that `search` yields, and returns its result. */
async function runSearch(search: AsyncGenerator<GenerateEvent, Route>, onEvent: (event: GenerateEvent) => void): Promise<Route> {
  for (;;) {
    const found = await search.next();
    if (found.done === true) return found.value;
    onEvent(found.value);
  }
}
