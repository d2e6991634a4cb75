// Runs one answer over a random swarm in which things go wrong, all drawn from one seed, and compares its text with
// that of a calm swarm.
import type { PeerId } from "../../src/shared/ids.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import type { GenerateEvent } from "../../src/inference/generate-event.ts";
import { cutLayers } from "./cut-layers.ts";
import { Random } from "./random.ts";
import { type AskedFor, SimSwarm } from "./sim-swarm.ts";

/** Kinds of trouble, which befall one peer, two, or the requester. */
const KINDS = [
  "kill", // a channel closes at once
  "silent", // nothing comes any more, and its links stay open for a long time
  "freeze", // nothing comes for a while, then everything
  "goodbye", // a page is closed and says so
  "leave", // a graceful leave
  "flap", // one link breaks while both ends live
  "pair", // two peers are lost at once
  "again", // a peer is lost, and then its replacement, while it replays
  "nobody", // all peers that hold a span are lost, and another one joins much later
  "liar", // the spare that takes over computes something else
  "stop", // a person stops the answer
  "requester", // the requester is gone
] as const;
export type Kind = (typeof KINDS)[number];

export interface RunResult {
  readonly seed: number;
  readonly kinds: readonly Kind[];
  /** `same`: the text is that of the calm swarm. `stopped`: the requester ended the run. */
  readonly outcome: "same" | "wrong" | "hung" | "failed" | "stopped";
  readonly reroutes: number;
  /** Only of reroutes that did not have to wait for a peer. */
  readonly resumeMs: readonly number[];
  readonly detectMs: readonly number[];
  /** Leftovers at living peers after the run: sessions, logged bytes, links. */
  readonly leaks: readonly string[];
  readonly detail: string;
}

const LIMITS = Object.freeze({
  /**
   * Virtual milliseconds after which every layer has a new peer, whatever happened. That is repeated, more often than
   * one run kills.
   */
  rescueMs: 90_000,
  rescues: 10,
  /** Virtual milliseconds in which an answer must end. */
  hungMs: 1_200_000,
  /**
   * Virtual milliseconds after an answer in which everything must be freed: the longest time until a loss is noticed.
   */
  settleMs: 60_000,
});

/** Runs the answer that `seed` draws. Never throws: the outcome reports a run that failed. */
export async function runSession(seed: number): Promise<RunResult> {
  const random = new Random(seed);
  const layerCount = random.whole(3, 8);
  const asked: AskedFor = { prompt: "p".repeat(random.whole(1, 90)), maxTokens: random.whole(5, 40), seed };
  // Half of the swarms can verify drafts: their answers get several tokens from a lap if the text repeats itself.
  const rowInvariant = random.chance(0.5);
  const calm = new SimSwarm(seed, layerCount, rowInvariant);
  calm.join({ start: 0, end: layerCount });
  const expected = await follow(calm, asked, new AbortController(), () => {});

  const swarm = new SimSwarm(seed + 1, layerCount, rowInvariant);
  const spans = cutLayers(random, layerCount, random.whole(0, 3));
  for (const span of spans) for (let n = random.whole(1, 3); n > 0; n--) swarm.join(span);
  if (random.chance(0.3)) for (const span of cutLayers(random, layerCount, random.whole(0, 3))) swarm.join(span);
  const kinds = Array.from({ length: random.whole(1, 3) }, () => random.pick(KINDS));
  const stop = new AbortController();
  const trouble = new Trouble(swarm, random, stop);
  const at = kinds.map((kind) => ({ kind, token: random.chance(0.2) ? -1 : random.whole(0, asked.maxTokens - 1) }));
  for (let n = 1; n <= LIMITS.rescues; n++) swarm.clock.in(n * LIMITS.rescueMs, () => spans.forEach((span) => swarm.join(span)));
  const seen = await follow(swarm, asked, stop, (event, tokens, self) => {
    if (event.kind === "routed") {
      trouble.route = event.hops.map(({ peer }) => peer);
      for (const { kind } of at.filter(({ token }) => token < 0))
        swarm.clock.in(30 * random.next(), () => trouble.start(kind, self, false));
    }
    if (event.kind === "rerouted") trouble.rerouted(event.hops.map(({ peer }) => peer));
    if (event.kind !== "token") return;
    for (const { kind } of at.filter(({ token }) => token === tokens - 1))
      swarm.clock.in(6 * random.next(), () => trouble.start(kind, self, true));
  });
  trouble.end();
  await swarm.clock.run(() => false, swarm.clock.now() + LIMITS.settleMs);
  const outcome = judge(seen, expected.tokens, trouble.isEnded);
  const { reroutes, resumeMs, detectMs, detail } = seen;
  return { seed, kinds, outcome, reroutes, resumeMs, detectMs, leaks: leaksOf(swarm, trouble.isRequesterGone), detail };
}

/** The tokens of a run that its requester ended must be the beginning of the same text. */
function judge(seen: Seen, expected: readonly number[], isEnded: boolean): RunResult["outcome"] {
  if (expected.slice(0, seen.tokens.length).join() !== seen.tokens.join()) return "wrong";
  if (seen.isHung) return "hung";
  if (isEnded) return "stopped";
  return seen.tokens.length === expected.length ? "same" : "failed";
}

interface Seen {
  readonly tokens: readonly number[];
  readonly isHung: boolean;
  readonly reroutes: number;
  readonly resumeMs: readonly number[];
  readonly detectMs: readonly number[];
  readonly detail: string;
}

async function follow(
  swarm: SimSwarm,
  asked: AskedFor,
  stop: AbortController,
  onEvent: (event: GenerateEvent, tokens: number, self: PeerId) => void,
): Promise<Seen> {
  const { self, events } = swarm.ask(asked, stop.signal);
  const tokens: number[] = [];
  const resumeMs: number[] = [];
  const detectMs: number[] = [];
  let reroutes = 0;
  let hasWaited = false;
  let isOver = false;
  let detail = "";
  const read = async (): Promise<void> => {
    try {
      for await (const event of events) {
        if (event.kind === "token") tokens.push(event.token);
        if (event.kind === "waiting") hasWaited = true;
        if (event.kind === "rerouted") {
          if (!hasWaited) resumeMs.push(event.resumeMs);
          if (!hasWaited) detectMs.push(event.detectMs);
          hasWaited = false;
          reroutes++;
        }
        onEvent(event, tokens.length, self);
      }
    } catch (error) {
      detail = String(error);
    } finally {
      isOver = true;
    }
  };
  void read();
  const inTime = await swarm.clock.run(() => isOver, LIMITS.hungMs);
  return { tokens, isHung: !inTime, reroutes, resumeMs, detectMs, detail };
}

/** Makes things go wrong. */
class Trouble {
  route: readonly PeerId[] = [];
  isRequesterGone = false;
  readonly #swarm: SimSwarm;
  readonly #random: Random;
  readonly #stop: AbortController;
  #again = 0;
  readonly #frozen = new Set<PeerId>();

  constructor(swarm: SimSwarm, random: Random, stop: AbortController) {
    this.#swarm = swarm;
    this.#random = random;
    this.#stop = stop;
  }

  get isEnded(): boolean {
    return this.isRequesterGone || this.#stop.signal.aborted;
  }

  /** `mayLie`: there are logits already, by which a lie is found out. */
  start(kind: Kind, self: PeerId, mayLie: boolean): void {
    const swarm = this.#swarm;
    const random = this.#random;
    const alive = this.route.filter((peer) => swarm.peers.has(peer));
    if (alive.length === 0) return;
    const peer = random.pick(alive);
    const span = swarm.peers.get(peer)?.span;
    switch (kind) {
      case "kill":
        this.#kill(peer);
        return;
      case "silent":
        swarm.network.freeze(peer, Infinity);
        this.#frozen.add(peer);
        swarm.clock.in(15_000, () => this.#kill(peer));
        return;
      case "freeze":
        swarm.network.freeze(peer, swarm.clock.now() + random.whole(50, 20_000));
        return;
      case "goodbye":
        swarm.peers.get(peer)?.service.vanish();
        swarm.clock.in(20, () => this.#kill(peer));
        return;
      case "leave": {
        const leaver = swarm.peers.get(peer);
        const patience = new AbortController();
        swarm.clock.in(30_000, () => patience.abort());
        void leaver?.service.leave(patience.signal).then(() => this.#kill(peer));
        swarm.board.remove(peer);
        return;
      }
      case "flap":
        swarm.network.flap(peer, random.pick([...alive, self]));
        return;
      case "pair":
        for (const other of new Set([peer, random.pick(alive)])) this.#kill(other);
        return;
      case "again":
        this.#again = 2;
        this.#kill(peer);
        return;
      case "nobody":
        if (span === undefined) return;
        for (const holder of swarm.holders(span)) this.#kill(holder.peer);
        swarm.clock.in(random.whole(10, 60_000), () => swarm.join(span, { listedMs: random.whole(0, 500) }));
        return;
      case "liar":
        if (span === undefined || !mayLie) return;
        for (const holder of swarm.holders(span)) if (holder.peer !== peer) this.#kill(holder.peer);
        swarm.join(span, { lie: random.whole(1, 1_000) });
        swarm.clock.in(random.whole(0, 3_000), () => swarm.join(span));
        this.#kill(peer);
        return;
      case "stop":
        this.#stop.abort(new ManyhandsError("TIMEOUT", "enough"));
        return;
      case "requester":
        this.isRequesterGone = true;
        swarm.network.kill(self, () => random.whole(1, 10_000));
        this.#stop.abort(new ManyhandsError("PEER_LOST", "the requester is gone"));
        return;
    }
  }

  /** The route was mended. */
  rerouted(route: readonly PeerId[]): void {
    const peer = route.find((each) => !this.route.includes(each));
    this.route = route;
    if (peer === undefined || this.#again === 0) return;
    this.#again--;
    this.#swarm.clock.in(5 * this.#random.next(), () => this.#kill(peer));
  }

  /** The answer is over: silent peers count as dead now. */
  end(): void {
    for (const peer of this.#frozen) this.#kill(peer);
  }

  #kill(peer: PeerId): void {
    const isSlow = this.#random.chance(0.25);
    this.#swarm.kill(peer, () => this.#random.whole(1, isSlow ? 12_000 : 60), this.#random.whole(0, 6_000));
  }
}

function leaksOf(swarm: SimSwarm, isRequesterGone: boolean): readonly string[] {
  const leaks: string[] = [];
  for (const { peer, service, engine } of swarm.peers.values()) {
    const { openSessions, loggedBytes, openLinks } = service;
    if (openSessions > 0 || loggedBytes > 0 || openLinks > 0 || engine.openSessions > 0)
      leaks.push(`${peer}: ${openSessions} sessions, ${engine.openSessions} caches, ${loggedBytes} bytes, ${openLinks} links`);
  }
  for (const [peer, mesh] of swarm.network.peers)
    if (mesh.links.size > 0 && !isRequesterGone) leaks.push(`${peer}: ${mesh.links.size} ends of links`);
  return leaks;
}
