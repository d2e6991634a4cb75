// One session as a span serves it: checks that a step names its past, has it computed in its turn, logs the result and
// sends it to the next span or the requester. It outlives its neighbours. `requester/route-session.ts` is the other
// side.
import type { Engine, StepOutput } from "../../engine/contract.ts";
import type { Link } from "../../mesh/ports/link.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { type AliveFrame, HASH_BYTES, type OpenFrame, type StepFrame } from "../../protocol/session-frames.ts";
import { abortable } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { logRoot, logRow } from "../log/log-replay.ts";
import { LogitsLog } from "../log/logits-log.ts";
import { encodeLogitRows, splitLogitRows } from "../log/logits-payload.ts";
import { Outbox } from "../log/outbox.ts";
import type { OutputBudget } from "../log/output-budget.ts";
import { PrefixLog } from "../log/prefix-log.ts";
import { TOKEN_BOUNDARY } from "../log/row-hashes.ts";
import { type WireForm, wireForm } from "../log/wire-form.ts";
import { checkStep } from "./check-step.ts";
import { InputLog } from "./input-log.ts";
import { refusal, stranding } from "./refusal.ts";
import { type StepQueue, urgencyOf } from "./step-queue.ts";

export interface ServedSessionOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly queue: StepQueue;
  readonly budget: OutputBudget;
  /** The session cannot go on here, for a reason of this span's own. */
  readonly onBroken: (error: unknown) => void;
}

/** One step as a span served it, for the page's counts. Plain data. */
export interface ServedStep {
  readonly requester: PeerId;
  readonly positions: number;
  readonly computeMs: number;
  /** Computed to be compared, not for an answer. */
  readonly isAudit: boolean;
}

export class ServedSession {
  readonly open: OpenFrame;
  /**
   * The link over which the requester opens and steers the session, and gets replies. The session ends when it closes.
   */
  readonly requester: Link;
  /** Undefined at the last span, which sends logits to the requester. */
  readonly outbox: Outbox | undefined;
  readonly wire: WireForm;
  /** When the session was last heard of, in milliseconds of the clock. */
  activeMs: number;
  /** The peer that gets this span's outputs; undefined if that is the requester, and in an audit. */
  next: PeerId | undefined;
  /** How often this session was given another next span: only the newest one may be linked. */
  relinks = 0;
  readonly #options: ServedSessionOptions;
  readonly #prefixes: PrefixLog;
  readonly #inputs: InputLog;
  /** At the last span. */
  readonly #logits = new LogitsLog();
  #computed = 0;
  #onComputed = Promise.withResolvers<void>();
  readonly #ending = new AbortController();
  #previous: PeerId;
  /** The link over which the span before sends its steps; the requester's own at the first span. */
  #feeder: Link | undefined;
  #queuedSteps = 0;
  #queuedPositions = 0;

  constructor(options: ServedSessionOptions, open: OpenFrame, requester: Link) {
    const { plan } = options.engine;
    this.#options = options;
    this.open = open;
    this.requester = requester;
    this.activeMs = options.clock.now();
    this.#prefixes = new PrefixLog(open.root);
    this.wire = wireForm(open, plan);
    this.#inputs = new InputLog(this.isFirst ? TOKEN_BOUNDARY : this.wire.boundaryIn);
    this.#previous = open.previous;
    this.next = open.next?.peer;
    this.#feeder = this.isFirst ? requester : undefined;
    const onLost = (error: unknown): void => {
      if (error instanceof ManyhandsError && error.code === "ENGINE_FAILED") options.onBroken(error);
      else void this.strand("next", new ManyhandsError("PEER_LOST", "the next peer of the route left"));
    };
    if (plan.logits === undefined)
      this.outbox = new Outbox({ session: open.session, boundary: this.wire.boundaryOut, budget: options.budget, onLost });
  }

  /** Whether steps come over the requester's own link rather than from the span before. */
  get isFirst(): boolean {
    return this.open.start === 0;
  }

  /** Whether steps of another session are computed again, to be compared. */
  get isAudit(): boolean {
    return this.open.audit === true;
  }

  /** The peer that sends the steps. */
  get previous(): PeerId {
    return this.#previous;
  }

  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Aborts when the session ends. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Accepted positions. */
  get positions(): number {
    return this.#prefixes.positions;
  }

  /** Whether a step waits or computes, or an output is still to be sent. */
  get busy(): boolean {
    return this.#queuedSteps > 0 || this.outbox?.isBehind === true;
  }

  /**
   * Accepts steps only from `link` from now on. Throws SESSION_FOREIGN if its peer is not the one that the requester
   * named.
   */
  feedFrom(link: Link): void {
    if (this.isFirst || this.#previous !== link.remote)
      throw new ManyhandsError("SESSION_FOREIGN", "this session's steps come from another peer");
    if (this.#feeder !== undefined && this.#feeder !== link) this.#feeder.abort(replaced());
    this.#feeder = link;
  }

  /** Accepts steps only from `peer` from now on, and none from the link that brought them so far. */
  setPrevious(peer: PeerId): void {
    if (this.isFirst) throw new ManyhandsError("FRAME_UNEXPECTED", "the first span's steps come from the requester");
    this.#previous = peer;
    const feeder = this.#feeder;
    this.#feeder = undefined;
    feeder?.abort(replaced());
  }

  /** The link that brought steps has closed, or is to be closed because it broke the protocol. */
  feederClosed(link: Link, error: unknown): void {
    if (this.#feeder !== link || this.ended) return;
    this.#feeder = undefined;
    void this.strand("previous", error ?? new ManyhandsError("PEER_LOST", "the peer before in the route left"));
  }

  /**
   * Serves a step in its turn. Resolves once its result is sent, and with undefined if the step is dropped because the
   * span has it already, because its link has been replaced, or because the session has ended. Throws as `checkStep`
   * does, before anything is computed, or ENGINE_FAILED.
   */
  async serve(step: StepFrame, payload: Uint8Array, from: Link): Promise<ServedStep | undefined> {
    if (this.#queuedPositions + step.count > this.open.maxPositions)
      throw new ManyhandsError("FRAME_UNEXPECTED", "more steps at once than the session has positions");
    this.#queuedSteps++;
    this.#queuedPositions += step.count;
    let isCut = false;
    try {
      return await this.#options.queue.add({
        session: this.open.session,
        urgency: urgencyOf(step.count, this.isAudit),
        admit: () => {
          isCut = step.position < this.positions;
          return this.#admit(step, payload, from);
        },
        compute: async (waitMs) => {
          const output = await this.#compute(step, payload, isCut);
          return { ...output, waitMs: waitMs + output.waitMs };
        },
        deliver: (output) => this.#deliver(step, payload, output),
      });
    } finally {
      this.#queuedSteps--;
      this.#queuedPositions -= step.count;
    }
  }

  /** Says to the requester why the session ends here. */
  async refuse(error: unknown): Promise<void> {
    await this.notify(refusal(this.open.session, error));
  }

  /** Says to the requester that the session has lost a neighbour and waits for another. */
  async strand(side: "previous" | "next", error: unknown): Promise<void> {
    if (!this.ended) await this.notify(stranding(this.open.session, side, error));
  }

  /** Gives the requester a sign of life, in reply to question `id`. */
  async signOfLife(id: number): Promise<void> {
    const frame: AliveFrame = { kind: "alive", session: this.open.session, id, position: this.positions, busy: this.busy };
    await this.notify(frame);
  }

  /** Sends a frame to the requester. Never rejects: when the requester is gone, the session ends anyway. */
  async notify(header: object): Promise<void> {
    await this.requester.send(encodeFrame(header)).catch(() => {});
  }

  /** Frees cache and log, and closes the links. Idempotent. */
  async end(): Promise<void> {
    if (this.ended) return;
    const { session } = this.open;
    this.#ending.abort(new ManyhandsError("SESSION_UNKNOWN", "the session has ended"));
    this.#options.queue.forget(session);
    await Promise.allSettled([this.#options.engine.close(session), this.outbox?.free(), this.#feeder?.close(), this.requester.close()]);
  }

  /** Resolves once `positions` are computed and logged. Throws the signal's reason if the session ends before. */
  async computed(positions: number): Promise<void> {
    while (this.#computed < positions) await abortable(this.#onComputed.promise, this.signal);
  }

  /**
   * Returns hashes over the inputs and outputs at positions `[from, to)`. Throws ENGINE_FAILED if the log has a hole.
   */
  async tally(range: { readonly from: number; readonly to: number }): Promise<{
    readonly input: Uint8Array<ArrayBuffer>;
    readonly output: Uint8Array<ArrayBuffer>;
  }> {
    const input = this.#inputs.root(range.from, range.to);
    const { outbox } = this;
    return {
      input,
      output: outbox ? await logRoot(outbox, this.wire.boundaryOut, range, this.#options.clock) : this.#logits.root(range.from, range.to),
    };
  }

  /** Returns the hash of the input at `position`. Throws ENGINE_FAILED if that is no longer known. */
  inputAt(position: number): Uint8Array {
    return known(this.#inputs.at(position));
  }

  /** Returns the output at `position`. Throws as `inputAt` does. */
  async outputAt(position: number): Promise<Uint8Array> {
    const { outbox } = this;
    return outbox ? logRow(outbox, this.wire.boundaryOut, position) : known(this.#logits.at(position));
  }

  /** Checks a step and moves the logs to it. Returns whether to compute it. */
  #admit(step: StepFrame, payload: Uint8Array, from: Link): boolean {
    if (this.ended || this.#feeder !== from) return false;
    const isHeld = this.#check(step, payload);
    this.activeMs = this.#options.clock.now();
    if (isHeld) return false;
    // The logs move before the engine does, so that a sign of life names the positions that have been accepted.
    this.#prefixes.truncate(step.position);
    this.#prefixes.append(step.chain);
    this.#inputs.truncate(step.position);
    this.#logits.truncate(step.position);
    this.#computed = Math.min(this.#computed, step.position);
    this.outbox?.truncate(step.position);
    return true;
  }

  /** As `checkStep`. After a breach at the first span, the requester's other steps are not looked at. */
  #check(step: StepFrame, payload: Uint8Array): boolean {
    try {
      return checkStep(
        { boundaryIn: this.wire.boundaryIn, open: this.open, prefixes: this.#prefixes, inputs: this.#inputs },
        step,
        payload,
      );
    } catch (error) {
      if (this.isFirst) this.#feeder = undefined;
      throw error;
    }
  }

  /** `isCut`: whether the engine's cache is longer than the step's position. */
  async #compute({ position, count, logitRows }: StepFrame, payload: Uint8Array, isCut: boolean): Promise<StepOutput> {
    const { engine } = this.#options;
    const { session } = this.open;
    if (isCut) await engine.truncate(session, position);
    const bytes = payload.slice(); // aligned
    return engine.step({
      session,
      position,
      count,
      tokens: this.isFirst ? new Int32Array(bytes.buffer) : undefined,
      hidden: this.isFirst ? undefined : this.wire.decode(bytes, count),
      topK: logitRows > 0 ? this.open.topK : 0,
      logitRows: Math.max(1, logitRows),
    });
  }

  /** Sends the result to the next span or, at the last span, to the requester. An audit's result stays here. */
  async #deliver(step: StepFrame, payload: Uint8Array, output: StepOutput): Promise<ServedStep> {
    const { session, start, end } = this.open;
    const { position, count, prefix, chain, truncate, replay, logitRows } = step;
    const { computeMs, waitMs } = output;
    const timings = [...step.timings, { start, end, computeMs, waitMs }];
    if (this.outbox !== undefined) {
      this.outbox.append(
        { position, count, prefix, chain, truncate, replay, logitRows, timings },
        this.wire.encode(output.hidden ?? new Uint8Array(0), count),
      );
      await this.outbox.flush();
    } else if (output.logits) {
      const rows = logitRows > 0 ? [...output.earlierLogits, output.logits] : [];
      const topK = rows[0]?.ids.length ?? 0;
      const head = chain.slice(-HASH_BYTES);
      const header = { kind: "logits", session, position: output.position, head, rows: rows.length, topK, timings };
      const encoded = encodeLogitRows(rows);
      if (!this.isAudit) await this.requester.send(encodeFrame(header, encoded));
      this.#logits.note(output.position, splitLogitRows(encoded, rows.length));
    }
    // Nobody waits for these hashes: the result is on its way.
    this.#inputs.note(position, payload, count);
    this.#computed = output.position;
    this.#onComputed.resolve();
    this.#onComputed = Promise.withResolvers();
    return { requester: this.requester.remote, positions: count, computeMs, isAudit: this.isAudit };
  }
}

const replaced = (): ManyhandsError => new ManyhandsError("SESSION_FOREIGN", "this session's steps come from another peer now");

function known(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new ManyhandsError("ENGINE_FAILED", "this position is no longer known");
  return bytes;
}
