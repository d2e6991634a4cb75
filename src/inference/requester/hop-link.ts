// One span of a route as the requester sees it: opens the session there, steers it, asks for signs of life, hears what it says.
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
  /** Milliseconds for the goodbye to a peer that may not read any more. */
  closeMs: 1_000,
});

/** What a hop tells its session. `onLogits` throws what the frame breaks. */
export interface HopListener {
  onLogits(hop: HopLink, frame: LogitsFrame, payload: Uint8Array): void;
  onStranded(hop: HopLink, frame: StrandedFrame): void;
  onLeaving(hop: HopLink): void;
  onLost(hop: HopLink, error: ManyhandsError): void;
}

export interface HopLinkDeps {
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  readonly session: SessionId;
  readonly model: ModelId;
  readonly listener: HopListener;
}

/** What every span of a session is opened with. */
export type SessionRoom = Pick<OpenFrame, "root" | "topK" | "maxPositions" | "audit" | "wire">;

/** Outputs of some positions, one after the other, of what they are made, and hashes of the inputs. */
export interface Sampled extends Pick<SampledFrame, "inputs" | "type"> {
  readonly outputs: Uint8Array;
}

/** What answers a question. */
interface Told {
  readonly frame: AliveFrame | TalliedFrame | SampledFrame;
  readonly payload: Uint8Array;
}

/** Throws FRAME_UNEXPECTED for the answer to another question. */
function as<Kind extends Told["frame"]["kind"]>(frame: Told["frame"], kind: Kind): Extract<Told["frame"], { readonly kind: Kind }> {
  if (frame.kind !== kind) throw new ManyhandsError("FRAME_UNEXPECTED", `"${frame.kind}" answers another question`);
  return frame as Extract<Told["frame"], { readonly kind: Kind }>; // just compared
}

export class HopLink {
  readonly hop: Hop;
  /** Who sends this span its steps now: the hop before, or the requester. Undefined while that is still to be arranged. */
  fedBy: HopLink | "requester" | undefined;
  /** Whether the route has answered with this hop in it since it was opened. */
  isProven = false;
  /** Whether drafts may be verified here. */
  isRowInvariant = false;
  /** The peer has said that it goes. */
  isLeaving = false;
  /** The span itself said that it cannot serve. */
  wasRefused = false;
  /** Times that its link to a neighbour broke although both lived. */
  flaps = 0;
  /** Times that it could not work with a neighbour. */
  complaints = 0;
  /** Called once, when the hop is given up or closed. */
  onOver: (() => void) | undefined;
  readonly #deps: HopLinkDeps;
  readonly #opened = Promise.withResolvers<void>();
  readonly #asks = new Map<number, PromiseWithResolvers<Told>>();
  #askIds = 0;
  /** The ask whose failure a `stranded` frame about the next span tells. */
  #relinkId: number | undefined;
  #link: Link | undefined;
  #error: ManyhandsError | undefined;
  #isOpen = false;

  constructor(deps: HopLinkDeps, hop: Hop) {
    this.#deps = deps;
    this.hop = hop;
    this.#opened.promise.catch(() => {}); // told by `onLost`
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

  /** Opens the session at the span. Never rejects: a failure is told by `onLost` and `error`. */
  async open(room: SessionRoom, previous: PeerId, next: NextSpan | null, ms: number, signal: AbortSignal): Promise<void> {
    const { mesh, clock, session, model } = this.#deps;
    const { peer, span } = this.hop;
    const late = (): Error => new ManyhandsError("PEER_UNREACHABLE", `a peer of the route did not answer within ${ms / 1000} s`);
    try {
      await withDeadline({ clock, ms, onTimeout: late }, signal, async (limit) => {
        const link = await mesh.open(peer, sessionProtocol(model, span), limit);
        if (limit.aborted || this.#error) {
          link.abort(new ManyhandsError("PEER_LOST", "this link is not needed any more"));
          return;
        }
        this.#link = link;
        void this.#read(link);
        const { start, end } = span;
        const header = { kind: "open", session, version: PROTOCOL_VERSION, model, start, end, previous, next, ...room };
        await link.send(encodeFrame(header), limit);
        await this.#opened.promise;
        this.#isOpen = true;
      });
    } catch (error) {
      if (this.#error) return;
      const told = error instanceof ManyhandsError && error.code !== "PEER_LOST";
      this.lose(told ? error : new ManyhandsError("PEER_UNREACHABLE", "a peer of the route could not be reached", { cause: error }));
    }
  }

  /** Gives the span other neighbours; null leaves a side as it is. Throws PEER_LOST, PEER_UNREACHABLE, TIMEOUT or the signal's reason. */
  async relink(previous: PeerId | null, next: NextSpan | null, ms: number, signal: AbortSignal): Promise<void> {
    const id = ++this.#askIds;
    if (next !== null) this.#relinkId = id;
    await this.#ask(id, { kind: "relink", session: this.#deps.session, id, previous, next }, ms, signal);
  }

  /** Asks for a sign of life. Throws PEER_LOST, TIMEOUT or the signal's reason. */
  async probe(ms: number, signal: AbortSignal): Promise<AliveFrame> {
    const { frame } = await this.#askFor({ kind: "probe" }, ms, signal);
    return as(frame, "alive");
  }

  /** What went in and came out at positions `[from, to)`. Throws as `probe` does, and the code that it is declined with. */
  async tally(from: number, to: number, ms: number, signal: AbortSignal): Promise<TalliedFrame> {
    const { frame } = await this.#askFor({ kind: "tally", from, to }, ms, signal);
    return as(frame, "tallied");
  }

  /** Has the span's log sent to another peer; resolves once it is sent. Throws as `tally` does. */
  async replay(what: Pick<ReplayFrame, "to" | "as" | "upTo" | "merge">, ms: number, signal: AbortSignal): Promise<void> {
    await this.#askFor({ kind: "replay", ...what }, ms, signal);
  }

  /** The outputs at `positions` as they are, or hashes of the inputs alone. Throws as `tally` does. */
  async sample(positions: readonly number[], inputsOnly: boolean, ms: number, signal: AbortSignal): Promise<Sampled> {
    const { frame, payload } = await this.#askFor({ kind: "sample", positions, inputsOnly }, ms, signal);
    const { inputs, type } = as(frame, "sampled");
    return { inputs, type, outputs: payload };
  }

  /** Gives the hop up, for a reason that is told once. */
  lose(error: ManyhandsError): void {
    if (this.#error) return;
    this.#settle(error);
    this.#link?.abort(error);
    this.#deps.listener.onLost(this, error);
  }

  /** Ends the session at the span, in peace. Never rejects. */
  async close(): Promise<void> {
    const { clock, session } = this.#deps;
    const link = this.#link;
    this.#settle(new ManyhandsError("PEER_LOST", "the session was closed"));
    if (link === undefined) return;
    const late = (): Error => new ManyhandsError("TIMEOUT", "the peer does not read");
    try {
      await withDeadline({ clock, ms: DEFAULTS.closeMs, onTimeout: late }, new AbortController().signal, async (limit) => {
        await link.send(encodeFrame({ kind: "close", session }), limit);
        await link.close();
      });
    } catch {
      link.abort(late()); // it is gone, or does not read: nothing is left to be said
    }
  }

  #settle(error: ManyhandsError): void {
    this.#error ??= error;
    this.onOver?.();
    this.onOver = undefined;
    this.#opened.reject(error);
    for (const ask of this.#asks.values()) ask.reject(error);
    this.#asks.clear();
  }

  #askFor(question: object, ms: number, signal: AbortSignal): Promise<Told> {
    const id = ++this.#askIds;
    return this.#ask(id, { ...question, session: this.#deps.session, id }, ms, signal);
  }

  async #ask(id: number, header: object, ms: number, signal: AbortSignal): Promise<Told> {
    if (this.#error) throw this.#error;
    const link = this.#link;
    if (link === undefined) throw new ManyhandsError("PEER_LOST", "the peer is not linked yet");
    const ask = Promise.withResolvers<Told>();
    ask.promise.catch(() => {}); // the deadline may have been first
    this.#asks.set(id, ask);
    const late = (): Error => new ManyhandsError("TIMEOUT", `a peer of the route gave no sign within ${Math.round(ms)} ms`);
    try {
      return await withDeadline({ clock: this.#deps.clock, ms, onTimeout: late }, signal, async (limit) => {
        await link.send(encodeFrame(header), limit);
        return ask.promise;
      });
    } finally {
      this.#asks.delete(id);
    }
  }

  async #read(link: Link): Promise<void> {
    try {
      for await (const bytes of link.frames) {
        if (this.#error) return;
        const { header, payload } = decodeFrame(bytes);
        this.#take(readSessionHeader(header), payload);
      }
      this.lose(new ManyhandsError("PEER_LOST", "a peer of the route left"));
    } catch (error) {
      const code = errorCode(error) ?? "PEER_LOST";
      this.lose(new ManyhandsError(code, `a peer of the route failed: ${errorMessage(error)}`, { cause: error }));
    }
  }

  #take(frame: SessionHeader, payload: Uint8Array): void {
    if (frame.session !== this.#deps.session) throw new ManyhandsError("SESSION_FOREIGN", "the peer answered for another session");
    const { listener } = this.#deps;
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
          this.#asks.get(this.#relinkId)?.reject(new ManyhandsError(frame.code, frame.message));
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
        this.#asks.get(frame.id)?.resolve({ frame, payload });
        return;
      case "declined":
        this.#asks.get(frame.id)?.reject(new ManyhandsError(frame.code, frame.message));
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
