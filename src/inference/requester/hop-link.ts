// One hop of a route as the requester sees it: opens the session at the span, gives it its neighbours, asks it
// questions, and reads its frames. `live-route.ts` makes a route of these, and `server/span-service.ts` is the other
// side.
import type { Link } from "../../mesh/ports/link.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import {
  type AliveFrame,
  type LogitsFrame,
  type NextSpan,
  type OpenFrame,
  readSessionHeader,
  type ReplayFrame,
  type SampledFrame,
  type SessionHeader,
  type StrandedFrame,
  type TalliedFrame,
} from "../../protocol/session-frames.ts";
import { PROTOCOL_VERSION, sessionProtocol } from "../../protocol/version.ts";
import type { Hop } from "../../route/plan-route.ts";
import { withDeadline } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, PeerId, SessionId } from "../../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for the goodbye to a peer that may no longer read. */
  closeMs: 1_000,
});

/** Port: the events that a hop reports to its route. */
export interface HopListener {
  /** Throws if the frame is wrong, which costs the hop its place. */
  onLogits(hop: HopLink, frame: LogitsFrame, payload: Uint8Array): void;
  onStranded(hop: HopLink, frame: StrandedFrame): void;
  onLeaving(hop: HopLink): void;
  onLost(hop: HopLink, error: ManyhandsError): void;
}

export interface HopLinkOptions {
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  readonly session: SessionId;
  readonly model: ModelId;
  readonly listener: HopListener;
}

/** The fields of an `open` frame that are the same for every span of a session. */
export type SessionTerms = Pick<OpenFrame, "root" | "topK" | "maxPositions" | "audit" | "wire">;

/** A span's outputs at some positions, one after the other; their type; and the hashes of its inputs there. */
export interface Sampled extends Pick<SampledFrame, "inputs" | "type"> {
  readonly outputs: Uint8Array;
}

/** The reply to a question. */
interface Reply {
  readonly frame: AliveFrame | TalliedFrame | SampledFrame;
  readonly payload: Uint8Array;
}

/** Throws FRAME_UNEXPECTED if the frame replies to another question. */
function as<Kind extends Reply["frame"]["kind"]>(frame: Reply["frame"], kind: Kind): Extract<Reply["frame"], { readonly kind: Kind }> {
  if (frame.kind !== kind) throw new ManyhandsError("FRAME_UNEXPECTED", `"${frame.kind}" replies to another question`);
  return frame as Extract<Reply["frame"], { readonly kind: Kind }>; // just compared
}

export class HopLink {
  readonly hop: Hop;
  /**
   * The hop before or the requester, if this span gets its steps from there now. Undefined while that is still to be
   * arranged.
   */
  fedBy: HopLink | "requester" | undefined;
  /** Whether the last span has replied while this hop was part of the route. */
  isProven = false;
  /** Whether drafts may be verified here. */
  isRowInvariant = false;
  /** The peer has said that it leaves. */
  isLeaving = false;
  /** No other peer can take the place of this hop, which therefore serves on although its peer leaves. */
  isIrreplaceable = false;
  /** The span itself said that it cannot serve. */
  wasRefused = false;
  /** How often its link from the neighbour before it broke while both lived. */
  flaps = 0;
  /** How often it could not work with a neighbour. */
  complaints = 0;
  readonly #options: HopLinkOptions;
  readonly #opened = Promise.withResolvers<void>();
  /** Questions without a reply, by their ids. */
  readonly #questions = new Map<number, PromiseWithResolvers<Reply>>();
  #questionIds = 0;
  /** The newest relink of the next span: a `stranded` frame about that side means that it failed. */
  #relinkId: number | undefined;
  #link: Link | undefined;
  #error: ManyhandsError | undefined;
  #isOpen = false;

  constructor(options: HopLinkOptions, hop: Hop) {
    this.#options = options;
    this.hop = hop;
    this.#opened.promise.catch(() => {}); // reported by `onLost`
  }

  get link(): Link | undefined {
    return this.#link;
  }

  get isOpen(): boolean {
    return this.#isOpen && this.#error === undefined;
  }

  /** Why the session cannot go on here; undefined while it can. */
  get error(): ManyhandsError | undefined {
    return this.#error;
  }

  /** Opens the session at the span. Never rejects: `onLost` and `error` report a failure. */
  async open(terms: SessionTerms, previous: PeerId, next: NextSpan | null, ms: number, signal: AbortSignal): Promise<void> {
    const { mesh, clock, session, model } = this.#options;
    const { peer, span } = this.hop;
    const late = (): Error => new ManyhandsError("PEER_UNREACHABLE", `a peer of the route did not reply within ${ms / 1000} s`);
    try {
      await withDeadline({ clock, ms, onTimeout: late }, signal, async (limit) => {
        const link = await mesh.open(peer, sessionProtocol(model, span), limit);
        if (limit.aborted || this.#error) {
          link.abort(new ManyhandsError("PEER_LOST", "this link is no longer needed"));
          return;
        }
        this.#link = link;
        void this.#read(link);
        const { start, end } = span;
        const header = { kind: "open", session, version: PROTOCOL_VERSION, model, start, end, previous, next, ...terms };
        await link.send(encodeFrame(header), limit);
        await this.#opened.promise;
        this.#isOpen = true;
      });
    } catch (error) {
      if (this.#error) return;
      const saysWhy = error instanceof ManyhandsError && error.code !== "PEER_LOST";
      this.lose(saysWhy ? error : new ManyhandsError("PEER_UNREACHABLE", "a peer of the route could not be reached", { cause: error }));
    }
  }

  /**
   * Gives the span other neighbours; null leaves a side as it is. Throws PEER_LOST, PEER_UNREACHABLE, TIMEOUT or the
   * signal's reason.
   */
  async relink(previous: PeerId | null, next: NextSpan | null, ms: number, signal: AbortSignal): Promise<void> {
    const id = ++this.#questionIds;
    if (next !== null) this.#relinkId = id;
    await this.#send(id, { kind: "relink", session: this.#options.session, id, previous, next }, ms, signal);
  }

  /** Asks for a sign of life. Throws PEER_LOST, TIMEOUT or the signal's reason. */
  async probe(ms: number, signal: AbortSignal): Promise<AliveFrame> {
    const { frame } = await this.#ask({ kind: "probe" }, ms, signal);
    return as(frame, "alive");
  }

  /**
   * Returns hashes of the inputs and outputs at positions `[from, to)`. Throws as `probe` does, and the code of a
   * `declined` frame.
   */
  async tally(from: number, to: number, ms: number, signal: AbortSignal): Promise<TalliedFrame> {
    const { frame } = await this.#ask({ kind: "tally", from, to }, ms, signal);
    return as(frame, "tallied");
  }

  /** Has the span send its log to another peer. Resolves once it is sent. Throws as `tally` does. */
  async replay(what: Pick<ReplayFrame, "to" | "as" | "upTo" | "merge">, ms: number, signal: AbortSignal): Promise<void> {
    await this.#ask({ kind: "replay", ...what }, ms, signal);
  }

  /** Returns the outputs at `positions` as they are, or only hashes of the inputs. Throws as `tally` does. */
  async sample(positions: readonly number[], inputsOnly: boolean, ms: number, signal: AbortSignal): Promise<Sampled> {
    const { frame, payload } = await this.#ask({ kind: "sample", positions, inputsOnly }, ms, signal);
    const { inputs, type } = as(frame, "sampled");
    return { inputs, type, outputs: payload };
  }

  /** Gives the hop up. Only the first reason counts, and `onLost` reports it. */
  lose(error: ManyhandsError): void {
    if (this.#error) return;
    this.#end(error);
    this.#link?.abort(error);
    this.#options.listener.onLost(this, error);
  }

  /** Ends the session at the span, in peace. Never rejects. */
  async close(): Promise<void> {
    const { clock, session } = this.#options;
    const link = this.#link;
    this.#end(new ManyhandsError("PEER_LOST", "the session was closed"));
    if (link === undefined) return;
    const late = (): Error => new ManyhandsError("TIMEOUT", "the peer does not read");
    try {
      await withDeadline({ clock, ms: DEFAULTS.closeMs, onTimeout: late }, new AbortController().signal, async (limit) => {
        await link.send(encodeFrame({ kind: "close", session }), limit);
        await link.close();
      });
    } catch {
      link.abort(late()); // it is gone or does not read, so there is nothing left to say
    }
  }

  #end(error: ManyhandsError): void {
    this.#error ??= error;
    this.#opened.reject(error);
    for (const question of this.#questions.values()) question.reject(error);
    this.#questions.clear();
  }

  #ask(question: object, ms: number, signal: AbortSignal): Promise<Reply> {
    const id = ++this.#questionIds;
    return this.#send(id, { ...question, session: this.#options.session, id }, ms, signal);
  }

  async #send(id: number, header: object, ms: number, signal: AbortSignal): Promise<Reply> {
    if (this.#error) throw this.#error;
    const link = this.#link;
    if (link === undefined) throw new ManyhandsError("PEER_LOST", "the peer is not linked yet");
    const question = Promise.withResolvers<Reply>();
    question.promise.catch(() => {}); // the deadline may have been first
    this.#questions.set(id, question);
    const late = (): Error => new ManyhandsError("TIMEOUT", `a peer of the route gave no sign of life within ${Math.round(ms)} ms`);
    try {
      return await withDeadline({ clock: this.#options.clock, ms, onTimeout: late }, signal, async (limit) => {
        await link.send(encodeFrame(header), limit);
        return question.promise;
      });
    } finally {
      this.#questions.delete(id);
    }
  }

  async #read(link: Link): Promise<void> {
    try {
      for await (const bytes of link.frames) {
        if (this.#error) return;
        const { header, payload } = decodeFrame(bytes);
        this.#receive(readSessionHeader(header), payload);
      }
      this.lose(new ManyhandsError("PEER_LOST", "a peer of the route left"));
    } catch (error) {
      const code = errorCode(error) ?? "PEER_LOST";
      this.lose(new ManyhandsError(code, `a peer of the route failed: ${errorMessage(error)}`, { cause: error }));
    }
  }

  #receive(frame: SessionHeader, payload: Uint8Array): void {
    if (frame.session !== this.#options.session) throw new ManyhandsError("SESSION_FOREIGN", "the peer sent a frame of another session");
    const { listener } = this.#options;
    switch (frame.kind) {
      case "opened":
        this.isRowInvariant = frame.rowInvariant;
        this.#opened.resolve();
        return;
      case "logits":
        listener.onLogits(this, frame, payload);
        return;
      case "stranded":
        if (frame.side === "next" && this.#relinkId !== undefined)
          this.#questions.get(this.#relinkId)?.reject(new ManyhandsError(frame.code, frame.message));
        listener.onStranded(this, frame);
        return;
      case "leaving":
        if (frame.now) this.lose(new ManyhandsError("PEER_LOST", "a peer of the route said goodbye"));
        else {
          this.isLeaving = true;
          listener.onLeaving(this);
        }
        return;
      case "refused":
        this.wasRefused = true;
        this.lose(new ManyhandsError(frame.code, frame.message));
        return;
      case "alive":
      case "tallied":
      case "sampled":
        this.#questions.get(frame.id)?.resolve({ frame, payload });
        return;
      case "declined":
        this.#questions.get(frame.id)?.reject(new ManyhandsError(frame.code, frame.message));
        return;
      case "open":
      case "step":
      case "relink":
      case "probe":
      case "tally":
      case "replay":
      case "sample":
      case "close":
        throw new ManyhandsError("FRAME_UNEXPECTED", `"${frame.kind}" is not for a requester`);
    }
  }
}
