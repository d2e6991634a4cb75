// The route of one session and its repair: opens the hops, links them to each other, and puts others in place of those that are lost.
import type { AliveFrame, NextSpan, StrandedFrame } from "../../protocol/session-frames.ts";
import type { Hop, Route } from "../../route/plan-route.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { type DetourRequest, sameHop } from "./plan-detour.ts";
import { HopDoubts } from "./hop-doubts.ts";
import { HopLink, type HopLinkDeps, type SessionRoom } from "./hop-link.ts";
import type { Outbox } from "../log/outbox.ts";
import { isWrong, PeerBans } from "./peer-bans.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a survivor must answer that it has its new neighbour. */
  relinkMs: 5_000,
  /** Milliseconds between two signs of life that survivors are asked for while nobody fills the gap, and for each of them. */
  keepMs: 20_000,
  keepProbeMs: 10_000,
  /** Neighbours with whom a hop may fail before it is taken for the cause. */
  complaints: 3,
  /** Repairs without an answer in between. */
  attempts: 24,
  /** Milliseconds before the next attempt, times how many failed in a row. */
  pauseMs: 40,
});

export interface RouteRepairDeps extends Omit<HopLinkDeps, "listener"> {
  readonly self: PeerId;
  readonly room: SessionRoom;
  /** The requester's own log: what the first hop is fed from. */
  readonly outbox: Outbox;
  readonly onLogits: HopLinkDeps["listener"]["onLogits"];
  /** Something is to be mended: `mend` has work. */
  readonly onTrouble: () => void;
  /** A route over survivors and others. Undefined where lost hops are not replaced. */
  readonly findDetour: ((request: DetourRequest, signal: AbortSignal) => Promise<Route>) | undefined;
  /** Tells of a peer that has fallen silent, as something else than this session noticed; answers how to stop. */
  readonly watch: ((peer: PeerId, onSilent: () => void) => () => void) | undefined;
}

export class RouteRepair {
  readonly #deps: RouteRepairDeps;
  readonly #bans: PeerBans;
  /** Hops that are not open any more and not yet told of. */
  readonly #lost: HopLink[] = [];
  readonly #doubts: HopDoubts;
  /** Leaving hops that nobody can replace. */
  readonly #irreplaceable = new WeakSet<HopLink>();
  #hops: readonly HopLink[] = [];
  #waiting: AbortController | undefined;
  #attempts = 0;

  constructor(deps: RouteRepairDeps) {
    this.#deps = deps;
    this.#bans = new PeerBans(deps.clock);
    this.#doubts = new HopDoubts(deps.onTrouble);
  }

  get hops(): readonly HopLink[] {
    return this.#hops;
  }

  /** Whether every hop is open and fed, and nothing is in doubt. */
  get isWhole(): boolean {
    return (
      !this.#doubts.isOpen &&
      this.#hops.every(
        (hop, index) => hop.isOpen && hop.fedBy === this.#upstream(index) && (!hop.isLeaving || this.#irreplaceable.has(hop)),
      )
    );
  }

  /** Peers that were lost since the last call. */
  takeLost(): readonly HopLink[] {
    return this.#lost.splice(0);
  }

  /** The route has answered: whoever is in it works, and with each other. */
  answered(): void {
    if (this.#attempts === 0) return;
    this.#attempts = 0;
    for (const hop of this.#hops) hop.isProven = true;
  }

  /** Opens `route`, all hops at once. Throws what the hop failed with that is to blame, and says which that is. */
  async start(route: Route, ms: number, signal: AbortSignal, onBlamed: (peer: PeerId, error: ManyhandsError) => void): Promise<void> {
    this.#attempts = 1;
    await this.#establish(route, ms, signal);
    signal.throwIfAborted();
    const index = this.#hops.findIndex((hop) => hop.error !== undefined);
    const failed = this.#hops[index];
    if (failed?.error === undefined) return;
    const { error } = failed;
    // A span that cannot reach the next one did nothing wrong itself.
    const isOwn = !failed.wasRefused || error.code !== "PEER_UNREACHABLE";
    onBlamed((isOwn ? failed : (this.#hops[index + 1] ?? failed)).hop.peer, error);
    throw error;
  }

  /** Replaces what is lost until the route is whole. Throws what a hop failed with where that cannot be had, or the signal's reason. */
  async mend(ms: number, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !this.isWhole; failures++) {
      signal.throwIfAborted();
      if (++this.#attempts > DEFAULTS.attempts) throw this.#lastError();
      if (failures > 0) await this.#deps.clock.sleep(DEFAULTS.pauseMs * failures, signal);
      await this.#doubts.settle(signal);
      const isComplete = this.#hops.every((hop) => hop.isOpen && !this.#isReplaceable(hop));
      const route = isComplete ? this.#hops.map(({ hop }) => hop) : await this.#plan(signal);
      if (route !== undefined) await this.#establish(route, ms, signal);
    }
  }

  /** Asks every hop for a sign of life within `msOf(hop)`; who gives none is lost. Answers the signs, in order. */
  async probeAll(msOf: (hop: HopLink) => number, signal: AbortSignal): Promise<readonly AliveFrame[]> {
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

  /** What hop `index` was given does not go on from there, although it lives: its link is made anew, or it is replaced. */
  doubt(index: number): void {
    const hop = this.#hops[index];
    if (hop === undefined || !hop.isOpen) return;
    const up = this.#hops[index - 1];
    if (up === undefined) hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route does not go on"));
    else this.#doubts.add(hop, up);
  }

  /** A peer gave a wrong replay, alone or with the new hops before it. */
  blameReplay(index: number, error: ManyhandsError): void {
    let first = index;
    while (this.#hops[first - 1]?.isProven === false) first--;
    const accused = this.#hops.slice(first, index + 1);
    const fresh = accused.filter((hop) => !hop.isProven);
    for (const hop of fresh.length > 0 ? fresh : accused) hop.lose(error);
  }

  /** Ends the session at every hop. */
  async close(): Promise<void> {
    await Promise.all(this.#hops.map((hop) => hop.close()));
  }

  #upstream(index: number): HopLink | "requester" {
    return this.#hops[index - 1] ?? "requester";
  }

  #isReplaceable(hop: HopLink): boolean {
    return hop.isLeaving && !this.#irreplaceable.has(hop);
  }

  #lastError(): ManyhandsError {
    return this.#lost.at(-1)?.error ?? new ManyhandsError("PEER_LOST", "the route could not be mended");
  }

  async #plan(signal: AbortSignal): Promise<Route | undefined> {
    const { findDetour, clock } = this.#deps;
    const alive = this.#hops.filter((hop) => hop.isOpen);
    const leaving = alive.filter((hop) => hop.isLeaving);
    if (findDetour === undefined) {
      if (alive.length < this.#hops.length) throw this.#lastError();
      for (const hop of leaving) this.#irreplaceable.add(hop);
      return undefined;
    }
    const waiting = new AbortController();
    this.#waiting = waiting;
    const both = AbortSignal.any([signal, waiting.signal]);
    // While nobody is there to fill the gap, survivors are asked for signs of life: it keeps their caches, and finds who goes.
    const keep = async (): Promise<void> => {
      for (;;) {
        await clock.sleep(DEFAULTS.keepMs, both);
        await this.probeAll(() => DEFAULTS.keepProbeMs, both);
      }
    };
    keep().catch(() => {}); // ends with the signal
    try {
      const request = {
        kept: alive.map(({ hop }) => hop),
        leaving: leaving.map(({ hop }) => hop),
        exclude: () => this.#bans.peers,
        silent: () => this.#bans.silent,
      };
      const route = await findDetour(request, both);
      for (const hop of leaving) if (route.includes(hop.hop)) this.#irreplaceable.add(hop);
      return route;
    } catch (error) {
      if (waiting.signal.aborted && !signal.aborted) return undefined; // another one was lost: plan anew
      throw error;
    } finally {
      waiting.abort();
      this.#waiting = undefined;
    }
  }

  /** Makes `route` out of the hops that are there and new ones. What fails is lost, and seen by the next look at the route. */
  async #establish(route: Route, ms: number, signal: AbortSignal): Promise<void> {
    const before = this.#hops;
    const old = new Set(before);
    this.#hops = route.map((hop) => before.find((each) => each.isOpen && sameHop(each.hop, hop)) ?? this.#newHop(hop));
    for (const hop of before) if (!this.#hops.includes(hop)) void hop.close();
    const hops = this.#hops;
    const { room, self, outbox } = this.#deps;
    const nextOf = (index: number): NextSpan | null => {
      const next = hops[index + 1]?.hop;
      return next === undefined ? null : { peer: next.peer, end: next.span.end };
    };
    // First everybody learns whom to listen to, then those in front are sent to them.
    await Promise.all(
      hops.map(async (hop, index) => {
        const previous = hops[index - 1]?.hop.peer ?? self;
        if (!old.has(hop)) await hop.open(room, previous, nextOf(index), ms, signal);
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

  async #relink(hop: HopLink, previous: PeerId | null, next: NextSpan | null, signal: AbortSignal): Promise<boolean> {
    try {
      await hop.relink(previous, next, DEFAULTS.relinkMs, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const code = error instanceof ManyhandsError ? error.code : "PEER_LOST";
      if (code === "TIMEOUT" || ++hop.complaints >= DEFAULTS.complaints)
        hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route could not be linked to another", { cause: error }));
      return false;
    }
  }

  #newHop(hop: Hop): HopLink {
    const { mesh, clock, session, model, onLogits, watch } = this.#deps;
    const listener: HopLinkDeps["listener"] = {
      onLogits,
      onStranded: (of, frame) => this.#stranded(of, frame),
      onLeaving: (of) => {
        this.#bans.ban(of.hop.peer, "leaving");
        this.#deps.onTrouble();
      },
      onLost: (of, error) => this.#onLost(of, error),
    };
    const link = new HopLink({ mesh, clock, session, model, listener }, hop);
    link.onOver = watch?.(hop.peer, () => {
      if (this.#hops.includes(link) && link.isOpen) this.#doubts.add(link, undefined);
    });
    return link;
  }

  #onLost(hop: HopLink, error: ManyhandsError): void {
    if (!this.#hops.includes(hop)) return;
    this.#bans.ban(hop.hop.peer, isWrong(error.code) ? "wrong" : "lost");
    this.#lost.push(hop);
    this.#waiting?.abort();
    this.#deps.onTrouble();
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
    // What a new neighbour sends may be refused before its link is known to be there; of an old one such a word is late.
    if (up === undefined || (hop.fedBy !== up && (up.isProven || !isWrong(code)))) return;
    const error = new ManyhandsError(code, message);
    if (!isWrong(code)) this.#doubts.add(hop, up);
    else if (++hop.complaints >= DEFAULTS.complaints) hop.lose(error);
    else this.blameReplay(index - 1, error);
  }
}
