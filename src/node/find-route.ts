// A route for a prompt: over the swarm where it covers all layers, else over this tab alone.
import type { GenerateEvent } from "../inference/generate-event.ts";
import type { Directory } from "../mesh/directory.ts";
import { findGaps } from "../route/coverage.ts";
import { SOLO_BYTES } from "../route/plan-model.ts";
import { planRoute, type Route } from "../route/plan-route.ts";
import type { Measured, RouteNeeds, RoutePeer } from "../route/route-cost.ts";
import type { Clock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId, PeerId } from "../shared/ids.ts";
import type { SoloSpan } from "./solo-span.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds to give the relay to tell who is there. */
  swarmMs: 3_000,
  /** Milliseconds to wait for peers that are loading or moving before this tab loads the model itself. */
  patienceMs: 15_000,
  /** Milliseconds after which a route is looked for again without any news. */
  pollMs: 1_000,
});

export interface FindRouteDeps {
  readonly model: { readonly id: ModelId; readonly layerCount: number; readonly sizeBytes: number };
  readonly directory: Directory;
  readonly solo: SoloSpan;
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
    const peers: RoutePeer[] = swarm.map((peer) => ({ ...peer, layerMs: peer.layerMs ?? undefined, rttMs: deps.rttMs?.(peer.peer) }));
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

function describeGaps(peers: readonly RoutePeer[], layerCount: number): string {
  const gaps = findGaps(
    peers.flatMap((peer) => peer.serving),
    layerCount,
  );
  const names = gaps.map(({ start, end }) => (end - start === 1 ? `layer ${start}` : `layers ${start} to ${end - 1}`));
  return names.length === 0
    ? "The peers are changing places; waiting for them."
    : `Nobody serves ${names.join(" and ")} yet; waiting for a tab to take them.`;
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
