// Finds a route for a prompt, and a detour for an answer that has lost peers: over the swarm if it covers all layers,
// or else over this tab alone. Waits while peers may still come, and says why.
import type { Directory } from "../../mesh/ports/directory.ts";
import type { PeerRecord } from "../../protocol/directory-frames.ts";
import { findGaps } from "../../route/coverage.ts";
import { SOLO_BYTES } from "../../route/plan-model.ts";
import { planRoute, type Route } from "../../route/plan-route.ts";
import type { Measured, RouteNeeds, RoutePeer } from "../../route/route-cost.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, PeerId, Span } from "../../shared/ids.ts";
import { nameLayers } from "../../shared/name-layers.ts";
import type { LoadProgress } from "../../shared/progress.ts";
import type { GenerateEvent, WaitReason } from "../generate-event.ts";
import { type DetourRequest, planDetour } from "./plan-detour.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which the relay must list the peers that are there. */
  listMs: 3_000,
  /** Milliseconds to wait for peers that are loading or moving before this tab loads the model itself. */
  patienceMs: 15_000,
  /** Milliseconds after which a route is looked for again although the directory has not changed. */
  pollMs: 1_000,
});

/** Port: this tab as a peer that holds the whole model, for its own prompts. */
export interface SoloPeer {
  /** Serves all layers; undefined until the model is loaded. */
  readonly peer: RoutePeer | undefined;
  /**
   * Loads the model, and yields its progress. Throws MODEL_CORRUPT, MODEL_UNAVAILABLE, ENGINE_FAILED or the signal's
   * reason.
   */
  load(signal: AbortSignal): AsyncGenerator<LoadProgress | undefined, void>;
}

export interface FindRouteOptions {
  readonly model: { readonly id: ModelId; readonly layerCount: number; readonly sizeBytes: number };
  readonly directory: Directory;
  readonly solo: SoloPeer;
  readonly clock: Clock;
  /** Round trips that this tab measured. */
  readonly rttMs?: (peer: PeerId) => Measured | undefined;
}

/** Yields `waiting` events. Throws NO_ROUTE if neither the swarm nor this tab can answer, or the signal's reason. */
export async function* findRoute(
  options: FindRouteOptions,
  exclude: ReadonlySet<PeerId>,
  signal: AbortSignal,
  needs: RouteNeeds = {},
): AsyncGenerator<GenerateEvent, Route> {
  const { model, directory, solo, clock } = options;
  const startedMs = clock.now();
  for (;;) {
    signal.throwIfAborted();
    const peers = peersOf(recordsOf(options), options);
    const route = planRoute(peers, model.layerCount, exclude, needs);
    if (route) return route;
    const own = solo.peer && planRoute([solo.peer], model.layerCount);
    const waitedMs = clock.now() - startedMs;
    const isListed = directory.swarm.revision >= 0 || waitedMs > DEFAULTS.listMs;
    const isHopeful = peers.some(({ peer }) => !exclude.has(peer)) && waitedMs < DEFAULTS.patienceMs;
    if (isListed && !isHopeful) {
      if (own) return own;
      if (mayLoad(options)) {
        yield* load(solo, peers.length === 0 ? "nobody-lends" : "no-route", signal);
        continue;
      }
      if (waitedMs > DEFAULTS.patienceMs) throw noRoute(gapsOf(peers, model.layerCount));
    }
    yield waiting(isListed ? { kind: "gaps", gaps: gapsOf(peers, model.layerCount), isMidway: false } : { kind: "listing" });
    await nextChange(directory, clock, signal);
  }
}

/**
 * Finds a route over the hops that an answer has left and others. Waits for as long as nobody can take the gap, and
 * yields `waiting` events; if nobody comes, and if it may, this tab loads the model itself. Never throws NO_ROUTE.
 */
export async function* findDetour(
  options: FindRouteOptions,
  request: DetourRequest,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, Route> {
  const { model, directory, solo, clock } = options;
  const { layerCount } = model;
  const startedMs = clock.now();
  const exclusion = new Exclusion(request);
  for (;;) {
    signal.throwIfAborted();
    const records = recordsOf(options);
    const peers = peersOf(records, options);
    const excluded = exclusion.peers(records);
    const survivors = { ...request, exclude: () => excluded };
    const route = planDetour(peers, layerCount, survivors) ?? (solo.peer && planDetour([solo.peer], layerCount, survivors));
    if (route) return route;
    const present = peers.filter(({ peer }) => !excluded.has(peer));
    const isHopeful = present.length > 0 && clock.now() - startedMs < DEFAULTS.patienceMs;
    if (!isHopeful && !solo.peer && mayLoad(options)) {
      yield* load(solo, "peer-lost", signal);
      continue;
    }
    yield waiting({ kind: "gaps", gaps: gapsOf(present, layerCount, request.kept), isMidway: true });
    await nextChange(directory, clock, signal);
  }
}

/** Which peers a detour leaves out. A peer that only fell silent counts again once it has announced something new. */
class Exclusion {
  readonly #request: DetourRequest;
  /** The announcement of each silent peer when it was first looked for. */
  readonly #announced = new Map<PeerId, string>();

  constructor(request: DetourRequest) {
    this.#request = request;
  }

  peers(records: readonly PeerRecord[]): ReadonlySet<PeerId> {
    const excluded = new Set(this.#request.exclude());
    const silent = this.#request.silent();
    for (const record of records) {
      if (!silent.has(record.peer)) continue;
      const announced = JSON.stringify(record);
      const before = this.#announced.get(record.peer);
      if (before === undefined) this.#announced.set(record.peer, announced);
      else if (before !== announced) excluded.delete(record.peer);
    }
    return excluded;
  }
}

/** The announcements of the model's peers. */
const recordsOf = ({ model, directory }: FindRouteOptions): readonly PeerRecord[] =>
  directory.swarm.peers.filter((peer) => peer.model === model.id);

/** The same peers as routes are planned over them: with how far they are from here. */
const peersOf = (records: readonly PeerRecord[], { rttMs }: FindRouteOptions): readonly RoutePeer[] =>
  records.map((record) => ({ ...record, layerMs: record.layerMs ?? undefined, rttMs: rttMs?.(record.peer) }));

/** Layers that nobody serves. None if the layers are served, but by peers whose spans do not meet. */
const gapsOf = (peers: readonly RoutePeer[], layerCount: number, kept: DetourRequest["kept"] = []): readonly Span[] =>
  findGaps([...kept.map(({ span }) => span), ...peers.flatMap((peer) => peer.serving)], layerCount);

/** Whether the model is small enough for this tab alone. */
const mayLoad = ({ model }: FindRouteOptions): boolean => model.sizeBytes <= SOLO_BYTES;

const waiting = (reason: WaitReason, progress?: LoadProgress): GenerateEvent => ({ kind: "waiting", reason, progress });

async function* load(
  solo: SoloPeer,
  because: Extract<WaitReason, { readonly kind: "loading" }>["because"],
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, void> {
  for await (const progress of solo.load(signal)) yield waiting({ kind: "loading", because }, progress);
}

const noRoute = (gaps: readonly Span[]): ManyhandsError =>
  new ManyhandsError(
    "NO_ROUTE",
    `${gaps.length === 0 ? "The peers are changing places" : `Nobody serves ${nameLayers(gaps)}`}. The prompt is kept: lend this tab, or try again when somebody has joined.`,
  );

/** Resolves at the next change of the swarm, or after a while without one. Throws the signal's reason. */
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
