// The swarm as the page shows it: the peers and gaps of one model, and how the swarm serves each of the others. Pure.
import type { Swarm } from "../mesh/ports/directory.ts";
import { findGaps } from "../route/coverage.ts";
import { pickForPrompt, SOLO_BYTES, standingOf } from "../route/plan-model.ts";
import type { PeerId } from "../shared/ids.ts";
import type { ModelOffer } from "../model/model-summary.ts";
import type { NodeState } from "./state.ts";

/** `model`: the one that was lent or asked last. Without one, the picture shows the model that a prompt would get. */
export function viewSwarm(
  self: PeerId,
  { peers }: Swarm,
  offers: readonly ModelOffer[],
  model: ModelOffer | undefined,
): Pick<NodeState, "swarm" | "standings" | "gaps" | "model"> {
  const shown = model ?? offers.find((offer) => offer.id === pickForPrompt(offers, peers, undefined, SOLO_BYTES)?.model);
  const here = peers.filter((peer) => peer.model === shown?.id);
  return {
    model: shown,
    standings: offers.map((offer) => standingOf(offer, peers)),
    gaps: findGaps(
      here.flatMap((peer) => peer.serving),
      shown?.layerCount ?? 0,
    ),
    swarm: here.map(({ peer, host, backend, serving, target, sessions, tokensServed, layerMs }) => ({
      peer,
      isSelf: peer === self,
      host,
      backend,
      span: serving[0] ?? target ?? undefined,
      serving: serving.length > 0,
      sessions,
      tokensServed,
      layerMs: layerMs ?? undefined,
    })),
  };
}
