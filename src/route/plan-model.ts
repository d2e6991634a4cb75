// Which of the relay's models answers a prompt, and which one a tab helps most by
// lending, if the person has no wish. Pure.
import type { ModelId, Span } from "../shared/ids.ts";
import { findGaps } from "./coverage.ts";

/** Bytes of the largest model that a tab loads whole for a prompt of its own. */
export const SOLO_BYTES = 64 * 1024 * 1024;

/** What has to be known about a model to choose it. */
export interface ModelChoice {
  readonly id: ModelId;
  readonly layerCount: number;
  readonly sizeBytes: number;
}

/** What has to be known about a peer to choose a model. */
export interface ModelPeer {
  /** Null for a peer that holds layers of no model. */
  readonly model: ModelId | null;
  readonly serving: readonly Span[];
  /** The span that the peer means to hold; null while it has not chosen. */
  readonly target: Span | null;
  readonly sessions: number;
}

/** How the swarm serves a model now. */
export interface ModelStanding {
  readonly model: ModelId;
  /** Number of peers that serve it or load it. */
  readonly peers: number;
  /** Whether its layers are all served. */
  readonly isServed: boolean;
  /** Layers that nobody serves. */
  readonly missingLayers: number;
}

/**
 * Why a model was chosen: a person asked for it, there is no other, the swarm serves it,
 * this tab can run it alone, or it is the operator's first.
 */
export type ModelReason = "wished" | "only" | "served" | "alone" | "first";

export interface ModelPick {
  readonly model: ModelId;
  readonly reason: ModelReason;
}

export function standingOf(model: ModelChoice, peers: readonly ModelPeer[]): ModelStanding {
  const here = peers.filter((peer) => peer.model === model.id);
  const gaps = findGaps(
    here.flatMap((peer) => peer.serving),
    model.layerCount,
  );
  const missingLayers = gaps.reduce((sum, gap) => sum + gap.end - gap.start, 0);
  return { model: model.id, peers: here.length, isServed: missingLayers === 0, missingLayers };
}

/**
 * The model for a prompt: the person's wish, or the only model; else the first of the operator's list that the swarm
 * serves whole now; else the first that this tab may load by itself; else the first. Undefined for an empty list.
 */
export function pickForPrompt(
  models: readonly ModelChoice[],
  peers: readonly ModelPeer[],
  wish: ModelId | undefined,
  aloneBytes: number,
): ModelPick | undefined {
  const wished = models.find((model) => model.id === wish);
  if (wished) return { model: wished.id, reason: "wished" };
  const [first, second] = models;
  if (first && !second) return { model: first.id, reason: "only" };
  const served = models.find((model) => standingOf(model, peers).isServed);
  if (served) return { model: served.id, reason: "served" };
  const small = models.find((model) => model.sizeBytes <= aloneBytes);
  if (small) return { model: small.id, reason: "alone" };
  return first && { model: first.id, reason: "first" };
}

/**
 * The model that a new lender helps most: the person's wish; else, of the models
 * that others have begun and that lack layers, the one that lacks fewest; else the
 * one whose peers have the most open sessions each; else the operator's first.
 */
export function pickToLend(models: readonly ModelChoice[], peers: readonly ModelPeer[], wish: ModelId | undefined): ModelPick | undefined {
  const wished = models.find((model) => model.id === wish);
  if (wished) return { model: wished.id, reason: "wished" };
  const plans = models.map((model) => {
    const here = peers.filter((peer) => peer.model === model.id);
    // Spans that are being loaded count: another tab for the same gap would come too late.
    const meant = findGaps(
      here.flatMap((peer) => (peer.target ? [peer.target, ...peer.serving] : peer.serving)),
      model.layerCount,
    );
    const lacking = meant.reduce((sum, gap) => sum + gap.end - gap.start, 0);
    const load = here.reduce((sum, peer) => sum + peer.sessions, 0) / Math.max(1, here.length);
    return { model: model.id, begun: here.length > 0, lacking, load };
  });
  const begun = plans.filter((plan) => plan.begun && plan.lacking > 0).toSorted((a, b) => a.lacking - b.lacking)[0];
  const busiest = plans.filter((plan) => plan.load > 0).toSorted((a, b) => b.load - a.load)[0];
  const pick = begun ?? busiest;
  if (pick) return { model: pick.model, reason: "served" };
  const [first] = models;
  return first && { model: first.id, reason: "first" };
}
