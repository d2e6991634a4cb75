// What the page knows of the relay's models: from the node once it has joined, and until then from the overview. Pure.
import type { ModelOffer, ModelStanding, NodeState } from "../../node/face.ts";
import { pickForPrompt, SOLO_BYTES, standingOf } from "../../route/plan-model.ts";
import type { ModelId } from "../../shared/ids.ts";
import type { Overview } from "../overview.ts";

export interface ModelsView {
  /** The operator's list, the best first. */
  readonly models: readonly ModelOffer[];
  /** What the swarm does with each of them. */
  readonly standings: readonly ModelStanding[];
  /** The model that a prompt would go to now. */
  readonly asked: ModelOffer | undefined;
}

/** `wish` is the model that the person wants to ask. */
export function viewModels(state: NodeState | undefined, overview: Overview, wish: ModelId | undefined): ModelsView {
  const knows = state !== undefined && state.models.length > 0;
  const models = knows ? state.models : overview.models;
  const peers = (overview.peers ?? []).map((peer) => ({
    model: peer.model,
    serving: peer.serving && peer.span ? [peer.span] : [],
    target: peer.span ?? null,
    sessions: peer.sessions,
  }));
  const standings = knows ? state.standings : models.map((offer) => standingOf(offer, peers));
  const served = models.find((offer) => standings.some((standing) => standing.model === offer.id && standing.isServed));
  const pick = pickForPrompt(models, [], models.some((offer) => offer.id === wish) ? wish : served?.id, SOLO_BYTES);
  return { models, standings, asked: models.find((offer) => offer.id === pick?.model) };
}
