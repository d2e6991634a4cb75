// A prompt of this tab becomes an answer: joins, chooses a model, opens it, and generates over a route.
import type { Prompt } from "../inference/encode-prompt.ts";
import { generate } from "../inference/generate.ts";
import { findDetour, findRoute } from "../inference/requester/find-route.ts";
import { createSampler } from "../model/text/sampler.ts";
import { pickForPrompt, SOLO_BYTES } from "../route/plan-model.ts";
import type { Clock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId, PeerId } from "../shared/ids.ts";
import type { AskEvent, AskOptions } from "./face.ts";
import type { Joining } from "./joining.ts";
import { chooseModel } from "./models/choose-model.ts";

export interface AnswerPromptOptions {
  readonly joining: Pick<Joining, "joined" | "joinSoon">;
  readonly clock: Clock;
  /** Called with the model that answers, once it is open. */
  readonly onModel: (model: ModelId) => void;
}

/** Yields what the face's `generate` yields, and throws what it throws. */
export async function* answerPrompt(
  { joining, clock, onModel }: AnswerPromptOptions,
  prompt: Prompt,
  { model: wish, ...options }: Partial<AskOptions>,
  signal: AbortSignal,
): AsyncGenerator<AskEvent, void> {
  if (typeof prompt === "string" && prompt.trim() === "")
    throw new ManyhandsError("BAD_INPUT", "The prompt is empty. Type the beginning of a text and ask again.");
  yield { kind: "waiting", reason: { kind: joining.joined ? "looking" : "joining" }, progress: undefined };
  const joined = await joining.joinSoon(signal, "Your prompt is kept: check your connection and ask again.");
  const { mesh, directory, offers, settlement, roundTrips } = joined;
  const pick = await chooseModel(joined, wish, (peers) => pickForPrompt(offers, peers, wish, SOLO_BYTES), { clock, signal });
  const offer = offers.find((offered) => offered.id === pick?.model);
  if (pick && offer) yield { kind: "chosen", model: offer, reason: pick.reason };
  const { model, solo } = await joined.models.open(pick?.model, signal);
  onModel(model.id);
  const { avoidedPeers } = settlement;
  const swarm = { model, directory, solo, clock, rttMs: (peer: PeerId) => roundTrips.of(peer) };
  yield* generate(
    {
      mesh,
      model,
      clock,
      random: (bytes) => crypto.getRandomValues(bytes),
      createSampler,
      shelf: joined.sessionShelf,
      onAnswered: settlement.settle,
      findDetour: (request, routeSignal) => findDetour(swarm, avoidedPeers.leftOutOf(request), routeSignal),
      findRoute: (exclude, routeSignal) => findRoute(swarm, avoidedPeers.and(exclude), routeSignal),
    },
    prompt,
    options,
    signal,
  );
}
