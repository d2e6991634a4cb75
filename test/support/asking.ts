// The options with which a test's requester asks a swarm: a model without its weights, and a route that is ready.
import type { Requester, PromptModel } from "../../src/inference/generate.ts";
import { planDetour } from "../../src/inference/requester/plan-detour.ts";
import { createSampler } from "../../src/model/text/sampler.ts";
import { readTokenizer } from "../../src/model/text/tokenizer.ts";
import type { Route } from "../../src/route/plan-route.ts";
import { systemClock } from "../../src/shared/clock.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import { BUNDLED, readBundled } from "./bundled-model.ts";
import { type MemorySwarm, randomBytes } from "./memory-swarm.ts";

export const askingFor = (mesh: Requester["mesh"], model: PromptModel, route: (exclude: ReadonlySet<PeerId>) => Route): Requester => ({
  mesh,
  random: randomBytes,
  clock: systemClock,
  createSampler,
  model,
  // oxlint-disable-next-line require-yield -- the route is ready, so nothing is waited for
  findRoute: async function* (exclude) {
    return route(exclude);
  },
});

/** The same over the first three peers of a bundled-model swarm. Peers that are not in `gone` replace lost hops. */
export const askingWithSpares = (guest: Requester["mesh"], swarm: MemorySwarm, gone: ReadonlySet<PeerId> = new Set()): Requester => ({
  ...askingFor(guest, bundledPromptModel(), () => swarm.peers.slice(0, 3).map(({ hop }) => hop)),
  findDetour: async function* (request, until) {
    for (;;) {
      const serving = swarm.peers
        .filter(({ hop }) => !gone.has(hop.peer))
        .map(({ hop }) => ({ peer: hop.peer, serving: [hop.span], sessions: 0, layerMs: 1 }));
      const route = planDetour(serving, 8, request);
      if (route) return route;
      yield { kind: "waiting", reason: { kind: "gaps", gaps: [], isMidway: true }, progress: undefined };
      await systemClock.sleep(5, until);
    }
  },
});

/** The bundled model, without its weights. */
export const bundledPromptModel = (): PromptModel => ({
  id: BUNDLED.id,
  layerCount: 8,
  contextLength: BUNDLED.contextLength,
  vocabularySize: 2000,
  stopTokens: new Set([0]),
  tokenizer: readTokenizer(readBundled("tokenizer.json"), readBundled("tokenizer_config.json")),
  chat: undefined,
});
