// The route of one session as it stands: opens its hops, links them to each other, notices which of them are lost,
// leaving or cut off, and passes on the logits of its last hop. It changes only when `route-mender.ts` gives it another
// route.
import type { AliveFrame, LogitsFrame, NextSpan, StrandedFrame } from "../../protocol/session-frames.ts";
import type { Hop, Route } from "../../route/plan-route.ts";
import { errorCode, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Outbox } from "../log/outbox.ts";
import { HopDoubts } from "./hop-doubts.ts";
import { HopLink, type HopLinkOptions, type HopListener, type SessionTerms } from "./hop-link.ts";
import { isWrong } from "./peer-bans.ts";
import { sameHop } from "./plan-detour.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a survivor must reply that it has its new neighbour. */
  relinkMs: 5_000,
  /** How many complaints about its neighbours a hop may make before it is taken for the cause. */
  complaints: 3,
});

/** Why the route needs mending. */
export type RouteTrouble =
  | { readonly kind: "lost"; readonly hop: HopLink; readonly error: ManyhandsError }
  | { readonly kind: "leaving"; readonly hop: HopLink }
  /** A link between two hops broke, or brings nothing on. */
  | { readonly kind: "doubt" };

export interface LiveRouteOptions extends Omit<HopLinkOptions, "listener"> {
  readonly self: PeerId;
  readonly terms: SessionTerms;
  /** The requester's own log, which feeds the first hop. */
  readonly outbox: Outbox;
  /** Receives a frame of the last hop. Throws if it is wrong, which costs the hop its place. */
  readonly onLogits: (frame: LogitsFrame, payload: Uint8Array) => void;
  readonly onTrouble: (trouble: RouteTrouble) => void;
}

export class LiveRoute {
  readonly #options: LiveRouteOptions;
  readonly #doubts: HopDoubts;
  #hops: readonly HopLink[] = [];

  constructor(options: LiveRouteOptions) {
    this.#options = options;
    this.#doubts = new HopDoubts(() => options.onTrouble({ kind: "doubt" }));
  }

  /** In order. */
  get hops(): readonly HopLink[] {
    return this.#hops;
  }

  /** Whether a token may be verified in a step of several, because every hop computes a position alike in any step. */
  get isRowInvariant(): boolean {
    return this.#hops.every((hop) => hop.isRowInvariant);
  }

  /** Whether every hop is open and is to stay. The links between them may still be missing. */
  get isComplete(): boolean {
    return this.#hops.every((hop) => hop.isOpen && (!hop.isLeaving || hop.isIrreplaceable));
  }

  /** Whether the route is complete, every hop is fed by the one before it, and no link is in doubt. */
  get isWhole(): boolean {
    return this.isComplete && !this.#doubts.isOpen && this.#hops.every((hop, index) => hop.fedBy === this.#upstream(index));
  }

  /** The last span has replied: every hop works, and works with its neighbours. */
  prove(): void {
    for (const hop of this.#hops) hop.isProven = true;
  }

  /**
   * Makes `route` out of the hops that are there and new ones, which get `ms` milliseconds each. Reports failures as
   * trouble, and throws nothing but the signal's reason.
   */
  async establish(route: Route, ms: number, signal: AbortSignal): Promise<void> {
    const before = this.#hops;
    const old = new Set(before);
    this.#hops = route.map((hop) => before.find((each) => each.isOpen && sameHop(each.hop, hop)) ?? this.#newHop(hop));
    for (const hop of before) if (!this.#hops.includes(hop)) void hop.close();
    const hops = this.#hops;
    const { terms, self, outbox } = this.#options;
    const nextOf = (index: number): NextSpan | null => {
      const next = hops[index + 1]?.hop;
      return next === undefined ? null : { peer: next.peer, end: next.span.end };
    };
    // First every hop learns which peer sends its steps. Only then are the peers before them sent there.
    await Promise.all(
      hops.map(async (hop, index) => {
        const previous = hops[index - 1]?.hop.peer ?? self;
        if (!old.has(hop)) await hop.open(terms, previous, nextOf(index), ms, signal);
        else if (index > 0 && hop.fedBy !== hops[index - 1]) await this.#relink(hop, previous, null, signal);
      }),
    );
    await Promise.all(
      hops.map(async (hop, index) => {
        const up = this.#upstream(index);
        if (!hop.isOpen || hop.fedBy === up) return;
        if (up === "requester") {
          if (hop.link !== undefined) outbox.relink(hop.link);
        } else if (!up.isOpen) return;
        else if (old.has(up) && !(await this.#relink(up, null, nextOf(index - 1), signal))) {
          if (up.isOpen) hop.lose(new ManyhandsError("PEER_UNREACHABLE", "a peer could not be reached by the one before it"));
          return;
        }
        hop.fedBy = up;
      }),
    );
  }

  /**
   * Asks every hop for a sign of life within `msOf(hop)` milliseconds; a hop that gives none is lost. Returns the
   * signs, in order.
   */
  async probe(msOf: (hop: HopLink) => number, signal: AbortSignal): Promise<readonly AliveFrame[]> {
    const signs = await Promise.all(
      this.#hops
        .filter((hop) => hop.isOpen)
        .map(async (hop) => {
          try {
            return await hop.probe(msOf(hop), signal);
          } catch {
            if (!signal.aborted) hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route gave no sign of life"));
            return undefined;
          }
        }),
    );
    return signs.filter((sign) => sign !== undefined);
  }

  /**
   * Hop `index` lives but gets nothing, or does not go on with its input: its link is made anew, or it is replaced.
   */
  doubt(index: number): void {
    const hop = this.#hops[index];
    if (hop === undefined || !hop.isOpen) return;
    const up = this.#hops[index - 1];
    if (up === undefined) hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route does not go on"));
    else this.#doubts.add(hop, up);
  }

  /** Finds out about the links in doubt: afterwards each of them is to be made anew, or a hop is lost. */
  settleDoubts(signal: AbortSignal): Promise<void> {
    return this.#doubts.settle(signal);
  }

  /** Ends the session at every hop. */
  async close(): Promise<void> {
    await Promise.all(this.#hops.map((hop) => hop.close()));
  }

  #upstream(index: number): HopLink | "requester" {
    return this.#hops[index - 1] ?? "requester";
  }

  /** Returns whether the hop has its new neighbours. A hop that is too slow, or that fails too often, is lost. */
  async #relink(hop: HopLink, previous: PeerId | null, next: NextSpan | null, signal: AbortSignal): Promise<boolean> {
    try {
      await hop.relink(previous, next, DEFAULTS.relinkMs, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (errorCode(error) === "TIMEOUT" || ++hop.complaints >= DEFAULTS.complaints)
        hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route could not be linked to another", { cause: error }));
      return false;
    }
  }

  #newHop(hop: Hop): HopLink {
    const { mesh, clock, session, model, onTrouble } = this.#options;
    const listener: HopListener = {
      onLogits: (from, frame, payload) => this.#receive(from, frame, payload),
      onStranded: (stranded, frame) => this.#stranded(stranded, frame),
      onLeaving: (leaving) => onTrouble({ kind: "leaving", hop: leaving }),
      onLost: (lost, error) => {
        if (this.#hops.includes(lost)) onTrouble({ kind: "lost", hop: lost, error });
      },
    };
    return new HopLink({ mesh, clock, session, model, listener }, hop);
  }

  #receive(from: HopLink, frame: LogitsFrame, payload: Uint8Array): void {
    if (from !== this.#hops.at(-1)) throw new ManyhandsError("FRAME_UNEXPECTED", "only the last span of a route sends logits");
    try {
      this.#options.onLogits(frame, payload);
    } catch (error) {
      if (error instanceof ManyhandsError && error.code === "REPLAY_MISMATCH") this.#blame(this.#hops.length - 1, error);
      throw error;
    }
  }

  #stranded(hop: HopLink, { side, code, message }: StrandedFrame): void {
    const index = this.#hops.indexOf(hop);
    if (index < 0) return;
    if (side === "next") {
      const next = this.#hops[index + 1];
      if (next?.fedBy === hop) this.#doubts.add(next, hop);
      return;
    }
    const up = this.#hops[index - 1];
    // A span may refuse the steps of a new neighbour before this requester knows that the two are linked. A complaint
    // about a neighbour that has been replaced comes too late and counts for nothing.
    if (up === undefined || (hop.fedBy !== up && (up.isProven || !isWrong(code)))) return;
    const error = new ManyhandsError(code, message);
    if (!isWrong(code)) this.#doubts.add(hop, up);
    else if (++hop.complaints >= DEFAULTS.complaints) hop.lose(error);
    else this.#blame(index - 1, error);
  }

  /**
   * Hop `index` gave a wrong replay. It is lost, and so are the new hops right before it, any of which may be the
   * cause. A hop that is proven is lost only if no new one is among them.
   */
  #blame(index: number, error: ManyhandsError): void {
    let first = index;
    while (this.#hops[first - 1]?.isProven === false) first--;
    const accused = this.#hops.slice(first, index + 1);
    const fresh = accused.filter((hop) => !hop.isProven);
    for (const hop of fresh.length > 0 ? fresh : accused) hop.lose(error);
  }
}
