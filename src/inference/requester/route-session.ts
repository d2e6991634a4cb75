// One answer over a route, as the requester drives it: sends new tokens, waits for their logits, and keeps a log of
// both. Its steps come back whichever peers are lost on the way: `route-mender.ts` sees to that.
// `server/served-session.ts` is the session as a span serves it.
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { HASH_BYTES, type LogitsFrame } from "../../protocol/session-frames.ts";
import type { Route } from "../../route/plan-route.ts";
import { abortable } from "../../shared/abort.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { asSessionId, type ModelId } from "../../shared/ids.ts";
import type { GenerateEvent } from "../generate-event.ts";
import type { WireType } from "../log/wire-form.ts";
import { LiveRoute } from "./live-route.ts";
import { PendingSteps, type StepResult } from "./pending-steps.ts";
import { RequesterLog } from "./requester-log.ts";
import { type FindDetour, type RouteFailure, RouteMender } from "./route-mender.ts";
import type { SessionRecord } from "./session-record.ts";

const DEFAULTS = Object.freeze({
  /** Steps that are under way at once: enough to keep every span of a long route busy with a prompt. */
  window: 16,
});

export interface RouteSessionOptions {
  readonly mesh: Pick<Mesh, "self" | "open">;
  readonly clock: Clock;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Finds peers for the place of lost ones. Without it a lost peer ends the answer. */
  readonly findDetour?: FindDetour;
  readonly model: ModelId;
  readonly route: Route;
  readonly vocabularySize: number;
  /** Candidates to ask for at every step. */
  readonly topK: number;
  /** Positions that the session may come to hold. */
  readonly maxPositions: number;
  /** How hidden states cross; by default as the graph has them. */
  readonly wire?: WireType;
  /** Called with `waiting` and `rerouted` events. */
  readonly onEvent?: (event: GenerateEvent) => void;
  /** Called when the route cannot be opened, or cannot be mended. */
  readonly onFailure?: (failure: RouteFailure) => void;
}

export interface StepOptions {
  /** How many of the accepted positions to keep: those after them are dropped first. By default all are kept. */
  readonly keep?: number;
  /** For how many of the step's last positions to return logits; by default 1. */
  readonly logitRows?: number;
}

export class RouteSession {
  readonly #options: RouteSessionOptions;
  readonly #identity: Pick<SessionRecord, "session" | "terms">;
  readonly #log: RequesterLog;
  readonly #pending = new PendingSteps(DEFAULTS.window);
  readonly #route: LiveRoute;
  readonly #mender: RouteMender;
  readonly #life = new AbortController();
  #onEvent: (event: GenerateEvent) => void;
  /** Set while nobody waits for an answer. Aborts when somebody does again. */
  #parked: AbortController | undefined;
  #failure: ManyhandsError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: RouteSessionOptions) {
    this.#options = options;
    this.#onEvent = options.onEvent ?? (() => {});
    const { mesh, clock, random, model, vocabularySize, topK, maxPositions, wire, findDetour, onFailure = () => {} } = options;
    const root = random(new Uint8Array(HASH_BYTES));
    const session = asSessionId(toHex(random(new Uint8Array(16))));
    const terms = { root, topK, maxPositions, ...(wire === "float16" && { wire }) };
    this.#identity = { session, terms };
    this.#log = new RequesterLog({ session, root, topK, vocabularySize });
    this.#route = new LiveRoute({
      mesh,
      clock,
      session,
      model,
      self: mesh.self,
      terms,
      outbox: this.#log.outbox,
      onLogits: (frame, payload) => this.#receive(frame, payload),
      onTrouble: (trouble) => this.#mender.noticed(trouble),
    });
    this.#mender = new RouteMender({
      self: mesh.self,
      clock,
      route: this.#route,
      findDetour,
      pending: this.#pending,
      positions: () => this.positions,
      isAwaited: () => this.#parked === undefined,
      onEvent: (event) => this.#onEvent(event),
      onFailure,
      onBroken: (error) => {
        if (this.#parked === undefined) this.#fail(error);
        else void this.close();
      },
      signal: this.#life.signal,
    });
  }

  /**
   * Opens the route's spans, all at once. Throws PEER_UNREACHABLE, PEER_LOST, SESSION_REFUSED or the signal's reason.
   */
  static async open(options: RouteSessionOptions, signal: AbortSignal): Promise<RouteSession> {
    const session = new RouteSession(options);
    try {
      await session.#mender.open(options.route, signal);
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

  /** Positions that the session may come to hold. */
  get maxPositions(): number {
    return this.#options.maxPositions;
  }

  /** Whether a token may be verified in a step of several: every hop computes a position alike in any step. */
  get isRowInvariant(): boolean {
    return this.#route.isRowInvariant;
  }

  /** The route as it is now. */
  get route(): Route {
    return this.#route.hops.map(({ hop }) => hop);
  }

  /** Whether the spans can still be asked anything. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Whether another answer may begin here. */
  get isUsable(): boolean {
    return this.isOpen && this.#pending.isEmpty && this.#route.isWhole;
  }

  /**
   * Accepts `tokens` after those that are kept. Throws as `open` does, or the error with which the route fails for
   * good.
   */
  async step(tokens: readonly number[], signal: AbortSignal, { keep, logitRows = 1 }: StepOptions = {}): Promise<StepResult> {
    if (!this.#pending.isEmpty) throw new ManyhandsError("BAD_INPUT", "a session takes one step at a time");
    return this.#feed([tokens], logitRows, keep ?? this.positions, signal);
  }

  /**
   * Accepts all of `chunks` after `keep` positions, by default after all of them, with several chunks under way at
   * once. Returns the logits after the last one. Throws as `step` does.
   */
  async prefill(chunks: readonly (readonly number[])[], signal: AbortSignal, keep: number = this.positions): Promise<StepResult> {
    return this.#feed(chunks, 1, keep, signal);
  }

  /**
   * The answer is over, and the session stays open. Returns the record by which its spans can be asked until another
   * answer begins. If the route breaks meanwhile, it is not mended and the session closes.
   */
  park(): SessionRecord {
    this.#onEvent = () => {};
    this.#parked ??= new AbortController();
    const signal = AbortSignal.any([this.#parked.signal, this.#life.signal]);
    const { outbox, received } = this.#log;
    return { ...this.#identity, model: this.#options.model, hops: this.#route.hops, outbox, logits: received.rows, signal };
  }

  /** Another answer begins. */
  resume(onEvent: (event: GenerateEvent) => void): void {
    this.#parked?.abort(new ManyhandsError("SESSION_REFUSED", "another answer goes on with the session"));
    this.#parked = undefined;
    this.#onEvent = onEvent;
  }

  /** Has every span free the session. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#fail(new ManyhandsError("PEER_LOST", "the session was closed"));
    await this.#route.close();
    await this.#log.outbox.free();
  }

  /** Accepts `chunks` after `keep` positions; returns the logits after the last `logitRows` of them. */
  async #feed(chunks: readonly (readonly number[])[], logitRows: number, keep: number, signal: AbortSignal): Promise<StepResult> {
    signal.throwIfAborted();
    const isCut = keep < this.positions;
    if (isCut) this.#log.truncate(keep);
    let last: Promise<StepResult | undefined> | undefined;
    for (const [index, chunk] of chunks.entries()) {
      while (this.#pending.isFull) await abortable(this.#pending.nextFreed, signal);
      signal.throwIfAborted();
      last = this.#send(chunk, index === chunks.length - 1 ? logitRows : 0, isCut && index === 0);
    }
    const result = last && (await abortable(last, signal));
    if (result === undefined)
      throw this.#failure ?? new ManyhandsError("BAD_INPUT", last ? "a step has at least one row of logits" : "The prompt has no tokens.");
    return result;
  }

  #send(tokens: readonly number[], logitRows: number, truncate: boolean): Promise<StepResult | undefined> {
    if (this.#failure) return Promise.reject(this.#failure);
    const sentMs = this.#options.clock.now();
    const chain = this.#log.append(tokens, logitRows, truncate);
    const step = { position: this.positions, count: tokens.length, chain, logitRows, sentMs };
    const result = this.#pending.add(step);
    this.#mender.sent(step);
    return result;
  }

  /** Receives a frame of the last span. Throws if it is wrong. */
  #receive(frame: LogitsFrame, payload: Uint8Array): void {
    const { received } = this.#log;
    const step = this.#pending.first;
    if (step === undefined || frame.position !== step.position || !bytesEqual(frame.head, step.chain.subarray(-HASH_BYTES))) {
      received.readAgain(frame, payload, step ? step.position - step.count : this.positions);
      return;
    }
    const rows = received.read(frame, payload, step.logitRows, step.chain);
    const logits = rows.at(-1);
    this.#mender.completed(step, frame.timings);
    this.#pending.settle(logits && { logits, rows, timings: frame.timings });
  }

  #fail(error: ManyhandsError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#life.abort(error);
    this.#pending.fail(error);
  }
}
