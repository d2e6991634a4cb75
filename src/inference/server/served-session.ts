// One session as a span serves it: checks that a step names its past, runs it, logs the result and hands it on; outlives its neighbours.
import type { Engine } from "../../engine/contract.ts";
import type { Link } from "../../mesh/ports/link.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { HASH_BYTES, type OpenFrame, type StepFrame } from "../../protocol/session-frames.ts";
import { abortable } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { LogitsLog } from "../log/logits-log.ts";
import { checkStep } from "./check-step.ts";
import { InputLog } from "./input-log.ts";
import { logRoot, logRow } from "../log/log-replay.ts";
import { encodeLogitRows, splitLogitRows } from "../log/logits-payload.ts";
import { Outbox } from "../log/outbox.ts";
import type { OutputBudget } from "../log/output-budget.ts";
import { PrefixLog } from "../log/prefix-log.ts";
import { refusal, stranding } from "./refusal.ts";
import { TOKEN_BOUNDARY } from "../log/row-hashes.ts";
import type { ServedStep } from "./served-step.ts";
import { type StepTurns, urgencyOf } from "./step-turns.ts";
import { type WireForm, wireForm } from "../log/wire-form.ts";

export interface ServedSessionDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly turns: StepTurns;
  readonly budget: OutputBudget;
  /** The session cannot go on here, for a reason of this span's own. */
  readonly onBroken: (error: unknown) => void;
}

export class ServedSession {
  readonly open: OpenFrame;
  /** The requester's link: opens, steers, is answered, and its closing ends the session. */
  readonly requester: Link;
  /** Undefined at the last span, which answers the requester. */
  readonly outbox: Outbox | undefined;
  readonly wire: WireForm;
  /** When the session was last heard of, milliseconds of the clock. */
  activeMs: number;
  /** Who gets what this span computes; undefined for the requester, and in an audit. */
  next: PeerId | undefined;
  /** Counts the next spans that this session was given: only the newest may be linked. */
  relinks = 0;
  readonly #deps: ServedSessionDeps;
  readonly #prefixes: PrefixLog;
  readonly #inputs: InputLog;
  /** At the last span. */
  readonly #answers = new LogitsLog();
  #computed = 0;
  #onComputed = Promise.withResolvers<void>();
  readonly #ending = new AbortController();
  #previous: PeerId;
  /** The link over which the span before sends its steps; the requester's own at the first span. */
  #feeder: Link | undefined;
  #lane: Promise<void> = Promise.resolve();
  #queuedSteps = 0;
  #queuedPositions = 0;

  constructor(deps: ServedSessionDeps, open: OpenFrame, requester: Link) {
    const { plan } = deps.engine;
    this.#deps = deps;
    this.open = open;
    this.requester = requester;
    this.activeMs = deps.clock.now();
    this.#prefixes = new PrefixLog(open.root);
    this.wire = wireForm(open, plan);
    this.#inputs = new InputLog(this.isFirst ? TOKEN_BOUNDARY : this.wire.boundaryIn);
    this.#previous = open.previous;
    this.next = open.next?.peer;
    this.#feeder = this.isFirst ? requester : undefined;
    const onLost = (error: unknown): void => {
      if (error instanceof ManyhandsError && error.code === "ENGINE_FAILED") deps.onBroken(error);
      else void this.strand("next", new ManyhandsError("PEER_LOST", "the next peer of the route left"));
    };
    if (plan.logits === undefined)
      this.outbox = new Outbox({ session: open.session, boundary: this.wire.boundaryOut, budget: deps.budget, onLost });
  }

  /** Whether steps come over the requester's own link rather than from the span before. */
  get isFirst(): boolean {
    return this.open.start === 0;
  }

  /** Whether steps of another session are computed again, to be compared. */
  get isAudit(): boolean {
    return this.open.audit === true;
  }

  /** Who sends the steps. */
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

  /** Positions accepted. */
  get positions(): number {
    return this.#prefixes.positions;
  }

  /** Whether a step waits or is computed, or an output is still to be sent. */
  get busy(): boolean {
    return this.#queuedSteps > 0 || this.outbox?.isBehind === true;
  }

  /** Whether `link` brings this session's steps now. */
  isFeeder(link: Link): boolean {
    return this.#feeder === link;
  }

  /** Takes steps from `link` from now on. Throws SESSION_FOREIGN where it is not the peer that the requester named. */
  feedFrom(link: Link): void {
    if (this.isFirst || this.#previous !== link.remote)
      throw new ManyhandsError("SESSION_FOREIGN", "this session's steps come from another peer");
    if (this.#feeder !== undefined && this.#feeder !== link) this.#feeder.abort(replaced());
    this.#feeder = link;
  }

  /** Takes steps from `peer` from now on, and no more over the link that brought them. */
  setPrevious(peer: PeerId): void {
    if (this.isFirst) throw new ManyhandsError("FRAME_UNEXPECTED", "the first span's steps come from the requester");
    this.#previous = peer;
    const feeder = this.#feeder;
    this.#feeder = undefined;
    feeder?.abort(replaced());
  }

  /** The link that brought steps closed, or is closed for what it brought. */
  feederClosed(link: Link, error: unknown): void {
    if (this.#feeder !== link || this.ended) return;
    this.#feeder = undefined;
    void this.strand("previous", error ?? new ManyhandsError("PEER_LOST", "the peer before in the route left"));
  }

  /**
   * Runs a step in its turn; resolves once its result is sent on. Undefined for one that was dropped: held already, or
   * brought by a link that has been replaced. Throws what `check` throws, before anything is computed, or ENGINE_FAILED.
   */
  async take(step: StepFrame, payload: Uint8Array, from: Link): Promise<ServedStep | undefined> {
    if (this.#queuedPositions + step.count > this.open.maxPositions)
      throw new ManyhandsError("FRAME_UNEXPECTED", "more steps at once than the session has positions");
    this.#queuedSteps++;
    this.#queuedPositions += step.count;
    const turn = this.#lane.then(() => this.#run(step, payload, from));
    this.#lane = turn.then(
      () => {},
      () => {}, // whoever brought the step hears of it
    );
    try {
      return await turn;
    } finally {
      this.#queuedSteps--;
      this.#queuedPositions -= step.count;
    }
  }

  /** Tells the requester why the session ends here, if it can still be told. */
  async refuse(error: unknown): Promise<void> {
    await this.tell(refusal(this.open.session, error));
  }

  /** Tells the requester that the session has lost a neighbour and waits for another. */
  async strand(side: "previous" | "next", error: unknown): Promise<void> {
    if (!this.ended) await this.tell(stranding(this.open.session, side, error));
  }

  /** Sends a frame to the requester. Never rejects: a requester that is gone takes the session with it. */
  async tell(header: object): Promise<void> {
    await this.requester.send(encodeFrame(header)).catch(() => {});
  }

  /** Frees cache and log and closes the links. Idempotent. */
  async end(): Promise<void> {
    if (this.ended) return;
    const { session } = this.open;
    this.#ending.abort(new ManyhandsError("SESSION_UNKNOWN", "the session has ended"));
    this.#deps.turns.forget(session);
    await Promise.allSettled([this.#deps.engine.close(session), this.outbox?.free(), this.#feeder?.close(), this.requester.close()]);
  }

  /** Resolves once `positions` are computed and logged. Throws the signal's reason when the session ends before. */
  async computed(positions: number): Promise<void> {
    while (this.#computed < positions) await abortable(this.#onComputed.promise, this.signal);
  }

  /** SHA-256 over the hashes of what went in and came out at positions `[from, to)`. Throws ENGINE_FAILED where the log has a hole. */
  async tally(range: { readonly from: number; readonly to: number }): Promise<{
    readonly input: Uint8Array<ArrayBuffer>;
    readonly output: Uint8Array<ArrayBuffer>;
  }> {
    const input = this.#inputs.root(range.from, range.to);
    const { outbox } = this;
    return {
      input,
      output: outbox ? await logRoot(outbox, this.wire.boundaryOut, range, this.#deps.clock) : this.#answers.root(range.from, range.to),
    };
  }

  /** Hash of what went in at `position`. Throws ENGINE_FAILED where that is not known any more. */
  inputAt(position: number): Uint8Array {
    return known(this.#inputs.at(position));
  }

  /** What came out at `position`. Throws as `inputAt` does. */
  async outputAt(position: number): Promise<Uint8Array> {
    const { outbox } = this;
    return outbox ? logRow(outbox, this.wire.boundaryOut, position) : known(this.#answers.at(position));
  }

  async #run(step: StepFrame, payload: Uint8Array, from: Link): Promise<ServedStep | undefined> {
    if (this.ended || this.#feeder !== from) return undefined;
    const isHeld = this.#checked(step, payload);
    this.activeMs = this.#deps.clock.now();
    if (isHeld) return undefined;
    const { engine, clock, turns } = this.#deps;
    const { session } = this.open;
    const dropped = step.position < this.#prefixes.positions;
    // The logs move before the engine does, so that a probe hears of what has been taken.
    this.#prefixes.truncate(step.position);
    this.#prefixes.append(step.chain);
    this.#inputs.truncate(step.position);
    this.#answers.truncate(step.position);
    this.#computed = Math.min(this.#computed, step.position);
    this.outbox?.truncate(step.position);
    const bytes = payload.slice();
    const arrivedMs = clock.now();
    let startedMs = arrivedMs;
    const output = await turns.take(session, urgencyOf(step.count, this.isAudit), async () => {
      startedMs = clock.now();
      if (dropped) await engine.truncate(session, step.position);
      return engine.step({
        session,
        position: step.position,
        count: step.count,
        tokens: this.isFirst ? new Int32Array(bytes.buffer) : undefined,
        hidden: this.isFirst ? undefined : this.wire.decode(bytes, step.count),
        topK: step.logitRows > 0 ? this.open.topK : 0,
        logitRows: Math.max(1, step.logitRows),
      });
    });
    const { start, end } = this.open;
    const timings = [...step.timings, { start, end, computeMs: output.computeMs, waitMs: output.waitMs + startedMs - arrivedMs }];
    if (this.outbox !== undefined) {
      const { position, count, prefix, chain, truncate, replay, logitRows } = step;
      this.outbox.append(
        { position, count, prefix, chain, truncate, replay, logitRows, timings },
        this.wire.encode(output.hidden ?? new Uint8Array(0), count),
      );
      await this.outbox.flush();
    } else if (output.logits) {
      const rows = step.logitRows > 0 ? [...output.earlierLogits, output.logits] : [];
      const topK = rows[0]?.ids.length ?? 0;
      const head = step.chain.slice(-HASH_BYTES);
      const header = { kind: "logits", session, position: output.position, head, rows: rows.length, topK, timings };
      const encoded = encodeLogitRows(rows);
      if (!this.isAudit) await this.requester.send(encodeFrame(header, encoded));
      this.#answers.note(output.position, splitLogitRows(encoded, rows.length));
    }
    // After the result is on its way: nobody waits for these hashes.
    this.#inputs.note(step.position, payload, step.count);
    this.#computed = output.position;
    this.#onComputed.resolve();
    this.#onComputed = Promise.withResolvers();
    return { requester: this.requester.remote, positions: step.count, computeMs: output.computeMs, isAudit: this.isAudit };
  }

  /** As `checkStep`; what else the requester has sent already is not looked at any more once it broke the protocol. */
  #checked(step: StepFrame, payload: Uint8Array): boolean {
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
}

const replaced = (): ManyhandsError => new ManyhandsError("SESSION_FOREIGN", "this session's steps come from another peer now");

function known(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new ManyhandsError("ENGINE_FAILED", "this position is not known any more");
  return bytes;
}
