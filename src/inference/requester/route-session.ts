// One generation over a route, as the requester drives it: steps new tokens in, awaits logits, and goes on over other peers where
// some are lost, with exactly the same answer. `route-repair.ts` mends the route, `span-service.ts` is the other side.
import { HASH_BYTES, type LogitsFrame } from "../../protocol/session-frames.ts";
import type { Route } from "../../route/plan-route.ts";
import { abortable } from "../../shared/abort.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { asSessionId } from "../../shared/ids.ts";
import { hopsOf } from "../answer-progress.ts";
import type { GenerateEvent } from "../generate-event.ts";
import type { HopLink } from "./hop-link.ts";
import { PendingSteps } from "./pending-steps.ts";
import { ProgressWatch } from "./progress-watch.ts";
import { RequesterLog } from "./requester-log.ts";
import { RerouteTally } from "./reroute-tally.ts";
import { RouteRepair } from "./route-repair.ts";
import type { RouteFailure, RouteSessionDeps, RouteSessionOptions, StepAnswer, StepOptions } from "./route-session-options.ts";
import type { SessionRecord } from "./session-record.ts";
import { LEASE, StepLease } from "./step-lease.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a peer must take a link and open its span, before an answer has begun. */
  openMs: 10_000,
  /** The same for a replacement, which somebody waits for in the middle of a sentence. */
  detourMs: 4_000,
  /** Steps that are under way at once: enough to keep every span of a long route busy with a prompt. */
  window: 16,
});

export class RouteSession {
  readonly #deps: RouteSessionDeps;
  readonly #options: RouteSessionOptions;
  readonly #repair: RouteRepair;
  readonly #log: RequesterLog;
  readonly #lease = new StepLease();
  readonly #life = new AbortController();
  readonly #onFailure: (failure: RouteFailure) => void;
  readonly #identity: Pick<SessionRecord, "session" | "room">;
  readonly #pending = new PendingSteps(DEFAULTS.window);
  readonly #watch: ProgressWatch;
  #isMending = false;
  /** While nobody waits for an answer: what breaks then is not mended. Aborts when somebody does again. */
  #parked: AbortController | undefined;
  #onEvent: (event: GenerateEvent) => void;
  readonly #rerouted = new RerouteTally();
  #failure: ManyhandsError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(deps: RouteSessionDeps, options: RouteSessionOptions, onFailure: (failure: RouteFailure) => void) {
    this.#deps = deps;
    this.#options = options;
    this.#onFailure = onFailure;
    this.#onEvent = options.onEvent ?? (() => {});
    const { mesh, clock, random, findDetour, watch } = deps;
    const { model, vocabularySize, topK, maxPositions, wire } = options;
    const root = random(new Uint8Array(HASH_BYTES));
    const session = asSessionId(toHex(random(new Uint8Array(16))));
    const room = { root, topK, maxPositions, ...(wire === "float16" && { wire }) };
    this.#identity = { session, room };
    this.#log = new RequesterLog({ session, root, topK, vocabularySize });
    this.#watch = new ProgressWatch({
      clock,
      signal: this.#life.signal,
      askAfterMs: () => (this.#isMending ? Infinity : this.#pending.first && this.#lease.askAfterMs(this.#pending.first.count)),
      ask: (strikes, signal) => this.#askRoute(strikes, signal),
    });
    this.#repair = new RouteRepair({
      mesh,
      clock,
      session,
      model,
      self: mesh.self,
      room,
      outbox: this.#log.outbox,
      onLogits: (hop, frame, payload) => this.#take(hop, frame, payload),
      onTrouble: () => this.#mend(),
      findDetour: findDetour && ((request, signal) => this.#detour(findDetour(request, signal))),
      watch,
    });
  }

  /**
   * Opens `route`'s spans, all at once. Throws PEER_UNREACHABLE, PEER_LOST, SESSION_REFUSED or the signal's reason;
   * `onFailure` hears which peer it was.
   */
  static async open(
    deps: RouteSessionDeps,
    options: RouteSessionOptions,
    signal: AbortSignal,
    onFailure: (failure: RouteFailure) => void,
  ): Promise<RouteSession> {
    const session = new RouteSession(deps, options, onFailure);
    try {
      session.#isMending = true; // a hop that fails now fails the opening
      await session.#repair.start(options.route, DEFAULTS.openMs, signal, (peer, error) => onFailure({ peer, error }));
      session.#isMending = false;
      if (!session.#repair.isWhole) session.#mend();
      return session;
    } catch (error) {
      await session.close();
      signal.throwIfAborted();
      throw error;
    }
  }

  /** Accepted positions. */
  get positions(): number {
    return this.#log.positions;
  }

  /** Positions that it may come to hold. */
  get maxPositions(): number {
    return this.#options.maxPositions;
  }

  /** Whether a token may be verified in a step of several: every hop computes a position alike in whatever step. */
  get isRowInvariant(): boolean {
    return this.#repair.hops.every((hop) => hop.isRowInvariant);
  }

  /** The route as it is now. */
  get route(): Route {
    return this.#repair.hops.map(({ hop }) => hop);
  }

  /** Accepts `tokens` after those that are kept. Throws as `open` does, and what the route fails with for good. */
  async step(tokens: readonly number[], signal: AbortSignal, { keep, logitRows = 1 }: StepOptions = {}): Promise<StepAnswer> {
    if (!this.#pending.isEmpty) throw new ManyhandsError("BAD_INPUT", "a session takes one step at a time");
    return this.#feed([tokens], logitRows, keep ?? this.positions, signal);
  }

  /** Whether a further answer may begin here. */
  get isUsable(): boolean {
    return this.#failure === undefined && this.#pending.isEmpty && this.#repair.isWhole;
  }

  /** Whether anything can be asked of its spans. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** The answer is over, the session stays open. Answers what can be asked of it until another answer begins. */
  park(): SessionRecord {
    this.#onEvent = () => {};
    this.#parked ??= new AbortController();
    const signal = AbortSignal.any([this.#parked.signal, this.#life.signal]);
    const { hops } = this.#repair;
    const { outbox, answered } = this.#log;
    return { ...this.#identity, model: this.#options.model, hops, outbox, answers: answered.rows, signal };
  }

  /** Another answer begins. */
  resume(onEvent: (event: GenerateEvent) => void): void {
    this.#parked?.abort(new ManyhandsError("SESSION_REFUSED", "another answer goes on with the session"));
    this.#parked = undefined;
    this.#onEvent = onEvent;
  }

  /**
   * Accepts all of `chunks` after `keep` positions, by default all; several are under way at once. Answers what follows the
   * last. Throws as `step` does.
   */
  async prefill(chunks: readonly (readonly number[])[], signal: AbortSignal, keep: number = this.positions): Promise<StepAnswer> {
    return this.#feed(chunks, 1, keep, signal);
  }

  /** Tells every span to free the session. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#fail(new ManyhandsError("PEER_LOST", "the session was closed"));
    await this.#repair.close();
    await this.#log.outbox.free();
  }

  /** Accepts `chunks` after `keep` positions; answers `logitRows` of the last. */
  async #feed(chunks: readonly (readonly number[])[], logitRows: number, keep: number, signal: AbortSignal): Promise<StepAnswer> {
    signal.throwIfAborted();
    const isCut = keep < this.positions;
    if (isCut) this.#log.truncate(keep);
    let last: Promise<StepAnswer | undefined> | undefined;
    for (const [index, chunk] of chunks.entries()) {
      while (this.#pending.isFull) await abortable(this.#pending.room, signal);
      signal.throwIfAborted();
      last = this.#push(chunk, index === chunks.length - 1 ? logitRows : 0, isCut && index === 0);
    }
    const answer = last && (await abortable(last, signal));
    if (answer === undefined)
      throw this.#failure ?? new ManyhandsError("BAD_INPUT", last ? "a step has at least one row of logits" : "The prompt has no tokens.");
    return answer;
  }

  #push(tokens: readonly number[], logitRows: number, truncate: boolean): Promise<StepAnswer | undefined> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#pending.isEmpty) this.#watch.heard();
    const sentMs = this.#deps.clock.now();
    const chain = this.#log.append(tokens, logitRows, truncate);
    const answer = this.#pending.add({ position: this.positions, count: tokens.length, chain, logitRows, sentMs });
    this.#lease.sent(tokens.length);
    this.#watch.start();
    return answer;
  }

  /** Takes what the last span says. Throws what it breaks, which costs the span its place. */
  #take(hop: HopLink, frame: LogitsFrame, payload: Uint8Array): void {
    const { hops } = this.#repair;
    if (hop !== hops.at(-1)) throw new ManyhandsError("FRAME_UNEXPECTED", "only the last span of a route answers");
    const step = this.#pending.first;
    if (step === undefined || frame.position !== step.position || !bytesEqual(frame.head, step.chain.subarray(-HASH_BYTES))) {
      try {
        this.#log.answered.readAgain(frame, payload, step ? step.position - step.count : this.positions);
      } catch (error) {
        if (error instanceof ManyhandsError && error.code === "REPLAY_MISMATCH") this.#repair.blameReplay(hops.length - 1, error);
        throw error;
      }
      return;
    }
    const rows = this.#log.answered.read(frame, payload, step.logitRows, step.chain);
    const logits = rows.at(-1);
    // From the last sign on: what a repair took says nothing about the next step.
    const sinceMs = Math.max(step.sentMs, this.#watch.heardMs);
    this.#watch.heard();
    this.#lease.answered(step.count, this.#watch.heardMs - sinceMs, frame.timings);
    this.#repair.answered();
    this.#tellRerouted();
    this.#pending.settle(logits && { logits, rows, timings: frame.timings });
  }

  /** Asks every hop for a sign of life, each for as long as it may compute; a link that brings nothing on is doubted. */
  async #askRoute(strikes: number, signal: AbortSignal): Promise<boolean> {
    const count = this.#rerouted.isOpen ? this.#lease.largestCount : this.#pending.largestCount;
    const signs = await this.#repair.probeAll((hop) => this.#lease.answerMs(hop.hop.span.start, count), signal);
    const isStuck = !signs.some(({ busy }) => busy);
    if (isStuck && strikes >= LEASE.strikes && !this.#isMending) {
      const behind = signs.findIndex(({ position }, index) => position < (signs[index - 1]?.position ?? this.positions));
      this.#repair.doubt(behind < 0 ? signs.length - 1 : behind);
    }
    return isStuck;
  }

  /** Mends the route, unless that is under way; a route that cannot be mended is the end. */
  #mend(): void {
    if (this.#isMending || this.#failure) return;
    if (this.#parked) {
      void this.close();
      return;
    }
    this.#isMending = true;
    const { clock } = this.#deps;
    const noticedMs = clock.now();
    const detectMs = noticedMs - this.#watch.heardMs;
    void this.#repair
      .mend(DEFAULTS.detourMs, this.#life.signal)
      .then(
        () => {
          const lost = this.#repair.takeLost();
          for (const { hop } of lost) this.#lease.replaced(hop.span.start);
          const linkMs = clock.now() - noticedMs;
          this.#rerouted.add({ lost: lost.map(({ hop }) => hop.peer), replayed: this.positions, noticedMs, detectMs, linkMs });
          this.#watch.heard();
          if (this.#pending.isEmpty) this.#tellRerouted();
        },
        (error: unknown) => {
          const lost = this.#repair.takeLost().at(-1);
          const failure = error instanceof ManyhandsError ? error : new ManyhandsError("PEER_LOST", "the route was lost", { cause: error });
          if (!this.#life.signal.aborted) this.#onFailure({ peer: lost?.hop.peer, error: failure });
          this.#fail(failure);
        },
      )
      .finally(() => {
        this.#isMending = false;
        if (!this.#repair.isWhole) this.#mend(); // something broke as it was mended
      });
  }

  #tellRerouted(): void {
    const rerouted = this.#rerouted.take(hopsOf(this.route, this.#deps.mesh.self), this.#deps.clock.now());
    if (rerouted) this.#onEvent(rerouted);
  }

  async #detour(search: AsyncGenerator<GenerateEvent, Route>): Promise<Route> {
    for (;;) {
      const found = await search.next();
      if (found.done === true) return found.value;
      this.#onEvent(found.value);
    }
  }

  #fail(error: ManyhandsError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#life.abort(error);
    this.#pending.fail(error);
  }
}
