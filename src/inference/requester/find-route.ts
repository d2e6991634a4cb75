// A route for a prompt: over the swarm where it covers all layers, else over this tab alone.
import type { GenerateEvent } from "../generate-event.ts";
import { type DetourRequest, planDetour } from "./plan-detour.ts";
import type { Directory } from "../../mesh/ports/directory.ts";
import { findGaps } from "../../route/coverage.ts";
import { SOLO_BYTES } from "../../route/plan-model.ts";
import { planRoute, type Route } from "../../route/plan-route.ts";
import type { Measured, RouteNeeds, RoutePeer } from "../../route/route-cost.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, PeerId, Span } from "../../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds to give the relay to tell who is there. */
  swarmMs: 3_000,
  /** Milliseconds to wait for peers that are loading or moving before this tab loads the model itself. */
  patienceMs: 15_000,
  /** Milliseconds after which a route is looked for again without any news. */
  pollMs: 1_000,
});

/** Port: this tab as a peer that holds the whole model, for its own prompts. */
export interface SoloPeer {
  /** Serves all layers; undefined until the model is loaded. */
  readonly peer: RoutePeer | undefined;
  /** Loads the model, yielding how far it is. Throws MODEL_CORRUPT, MODEL_UNAVAILABLE, ENGINE_FAILED or the signal's reason. */
  load(message: string, signal: AbortSignal): AsyncGenerator<GenerateEvent, void>;
}

export interface FindRouteDeps {
  readonly model: { readonly id: ModelId; readonly layerCount: number; readonly sizeBytes: number };
  readonly directory: Directory;
  readonly solo: SoloPeer;
  readonly clock: Clock;
  /** Round trips that this tab measured. */
  readonly rttMs?: (peer: PeerId) => Measured | undefined;
}

/** Yields what is waited for. Throws NO_ROUTE where neither the swarm nor this tab can answer. */
export async function* findRoute(
  deps: FindRouteDeps,
  exclude: ReadonlySet<PeerId>,
  signal: AbortSignal,
  needs: RouteNeeds = {},
): AsyncGenerator<GenerateEvent, Route> {
  const { model, directory, solo, clock } = deps;
  const started = clock.now();
  const mayLoad = model.sizeBytes <= SOLO_BYTES;
  for (;;) {
    signal.throwIfAborted();
    const swarm = directory.swarm.peers.filter((peer) => peer.model === model.id);
    const peers = routePeers(swarm, deps);
    const route = planRoute(peers, model.layerCount, exclude, needs);
    if (route) return route;
    const own = solo.peer && planRoute([solo.peer], model.layerCount);
    const waitedMs = clock.now() - started;
    const relayTold = directory.swarm.revision >= 0 || waitedMs > DEFAULTS.swarmMs;
    const hopeful = swarm.some((peer) => !exclude.has(peer.peer)) && waitedMs < DEFAULTS.patienceMs;
    if (relayTold && !hopeful) {
      if (own) return own;
      if (!mayLoad && waitedMs > DEFAULTS.patienceMs)
        throw new ManyhandsError(
          "NO_ROUTE",
          `${describeGaps(peers, model.layerCount)} The prompt is kept: lend this tab, or try again when somebody has joined.`,
        );
      if (mayLoad) {
        yield* solo.load(
          swarm.length === 0
            ? "Nobody lends right now, so this tab loads the model and answers by itself."
            : "The swarm cannot answer now, so this tab loads the model and answers by itself.",
          signal,
        );
        continue;
      }
    }
    yield {
      kind: "waiting",
      message: relayTold ? describeGaps(peers, model.layerCount) : "Asking the relay who is there.",
      progress: undefined,
    };
    await nextChange(directory, clock, signal);
  }
}

/**
 * A route for an answer that has lost peers, over those that are left and others. Waits for as long as nobody can take the
 * gap, and yields what for; this tab loads the model itself where it may and nobody comes. Never throws NO_ROUTE.
 */
export async function* findDetour(deps: FindRouteDeps, request: DetourRequest, signal: AbortSignal): AsyncGenerator<GenerateEvent, Route> {
  const { model, directory, solo, clock } = deps;
  const started = clock.now();
  const heard = new HeardAgain(request);
  for (;;) {
    signal.throwIfAborted();
    const swarm = directory.swarm.peers.filter((peer) => peer.model === model.id);
    const peers = routePeers(swarm, deps);
    const excluded = heard.excluded(swarm);
    const survivors = { ...request, exclude: () => excluded };
    const route = planDetour(peers, model.layerCount, survivors) ?? (solo.peer && planDetour([solo.peer], model.layerCount, survivors));
    if (route) return route;
    const hopeful = swarm.some((peer) => !excluded.has(peer.peer)) && clock.now() - started < DEFAULTS.patienceMs;
    if (!hopeful && !solo.peer && model.sizeBytes <= SOLO_BYTES) {
      yield* solo.load("A tab left and nobody holds its layers, so this tab loads the model and goes on by itself.", signal);
      continue;
    }
    const present = peers.filter((peer) => !excluded.has(peer.peer)).flatMap((peer) => peer.serving);
    const gaps = nameGaps([...request.kept.map(({ span }) => span), ...present], model.layerCount);
    const message =
      gaps === "" ? "A tab left; the others are changing places." : `Nobody holds ${gaps} now; the answer goes on when somebody joins.`;
    yield { kind: "waiting", message, progress: undefined };
    await nextChange(directory, clock, signal);
  }
}

/** Who is left out of a detour: a peer that only fell silent is not, once it has told the relay something new since. */
class HeardAgain {
  readonly #request: DetourRequest;
  /** What each silent peer had told when it was first looked for. */
  readonly #told = new Map<PeerId, string>();

  constructor(request: DetourRequest) {
    this.#request = request;
  }

  excluded(swarm: Directory["swarm"]["peers"]): ReadonlySet<PeerId> {
    const excluded = new Set(this.#request.exclude());
    const silent = this.#request.silent();
    for (const record of swarm) {
      if (!silent.has(record.peer)) continue;
      const told = JSON.stringify(record);
      const before = this.#told.get(record.peer);
      if (before === undefined) this.#told.set(record.peer, told);
      else if (before !== told) excluded.delete(record.peer);
    }
    return excluded;
  }
}

/** Peers as routes are planned over them: by what they tell, and by how far they are from here. */
const routePeers = (swarm: Directory["swarm"]["peers"], { rttMs }: Pick<FindRouteDeps, "rttMs">): readonly RoutePeer[] =>
  swarm.map((peer) => ({ ...peer, layerMs: peer.layerMs ?? undefined, rttMs: rttMs?.(peer.peer) }));

function nameGaps(spans: readonly Span[], layerCount: number): string {
  return findGaps(spans, layerCount)
    .map(({ start, end }) => (end - start === 1 ? `layer ${start}` : `layers ${start} to ${end - 1}`))
    .join(" and ");
}

function describeGaps(peers: readonly RoutePeer[], layerCount: number): string {
  const gaps = nameGaps(
    peers.flatMap((peer) => peer.serving),
    layerCount,
  );
  return gaps === "" ? "The peers are changing places; waiting for them." : `Nobody serves ${gaps} yet; waiting for a tab to take them.`;
}

/** Resolves at the next change of the swarm, or after a while without one. */
async function nextChange(directory: Directory, clock: Clock, signal: AbortSignal): Promise<void> {
  const early = new AbortController();
  const stop = directory.on("swarm:changed", () => early.abort());
  try {
    await clock.sleep(DEFAULTS.pollMs, AbortSignal.any([signal, early.signal]));
  } catch (error) {
    if (!early.signal.aborted) throw error;
  } finally {
    stop();
  }
}
