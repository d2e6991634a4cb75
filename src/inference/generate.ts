// Prompt in, tokens out: the main job, and the file to read first. Encodes the prompt, has a route of peers read it,
// then samples tokens from the logits that each lap brings, and sends them on the next lap, until the answer ends.
import type { ChatTemplate } from "../model/text/chat-message.ts";
import type { Sampler, SamplerOptions } from "../model/text/sampler.ts";
import type { Tokenizer } from "../model/text/tokenizer.ts";
import type { ModelId } from "../shared/ids.ts";
import { Answer, type HeldAnswer, type Lap } from "./answer.ts";
import { NO_DRAFT } from "./draft/drafting.ts";
import { encodePrompt, type Prompt } from "./encode-prompt.ts";
import { EventBuffer } from "./event-buffer.ts";
import type { GenerateEvent, GenerateOptions } from "./generate-event.ts";
import { completeOptions } from "./generate-options.ts";
import { readPrompt, type ReadPromptOptions, type SessionNeeds } from "./read-prompt.ts";
import type { RouteSession } from "./requester/route-session.ts";
import type { SessionRecord } from "./requester/session-record.ts";

/** The model as the requester needs it: no weights. */
export interface PromptModel {
  readonly id: ModelId;
  readonly layerCount: number;
  readonly contextLength: number;
  readonly vocabularySize: number;
  readonly stopTokens: ReadonlySet<number>;
  readonly tokenizer: Tokenizer;
  /** Undefined for a model that only goes on with a text. */
  readonly chat: ChatTemplate | undefined;
}

/** The requester's side of an answer: its model, its ways to find and reach peers, its clock and its randomness. */
export interface Requester extends ReadPromptOptions {
  readonly model: PromptModel;
  /** Makes the sampler of one answer. */
  readonly createSampler: (options: SamplerOptions) => Sampler;
  /**
   * Looks after an answer that is over, or was stopped: every span holds its first `positions`. Never rejects. A
   * session that is not kept is closed once it resolves.
   */
  readonly onAnswered?: (record: SessionRecord, positions: number) => Promise<void>;
}

/**
 * Streams the answer to `prompt`, a text to go on with or a conversation to answer. A greedy answer is that of one
 * unsplit session, whichever peers are lost on the way. Throws BAD_INPUT, PROMPT_TOO_LONG, NO_ROUTE, PEER_LOST,
 * PEER_UNREACHABLE, SESSION_REFUSED, ENGINE_FAILED, TIMEOUT, or the signal's reason.
 */
export async function* generate(
  requester: Requester,
  prompt: Prompt,
  partial: Partial<GenerateOptions>,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, void> {
  const { model, clock } = requester;
  const options = completeOptions(partial);
  const { tokens, droppedMessages } = encodePrompt(model, prompt, options);
  if (droppedMessages > 0) yield { kind: "trimmed", droppedMessages };
  const seed = options.seed ?? drawSeed(requester.random);
  const sampler = requester.createSampler({ ...options, seed });
  const answer = new Answer({ ...options, model, prompt: tokens, sampler, seed, clock });

  const maxPositions = Math.min(model.contextLength, tokens.length + options.maxTokens);
  const needs: SessionNeeds = { maxPositions, topK: sampler.candidates, wire: options.wire };
  const events = new EventBuffer();
  const { session, hops, logits } = yield* readPrompt(requester, tokens, needs, events, signal);
  answer.routed(hops);
  try {
    let lap: Lap = { draft: NO_DRAFT, rows: [logits], ms: undefined };
    for (;;) {
      const shown = answer.accept(lap);
      if (answer.isOver) {
        yield* shown;
        return;
      }
      lap = yield* runLap({ answer, session, shown, events, clock, signal });
    }
  } finally {
    await endSession(requester, session, needs, answer.held);
  }
}

interface LapOptions extends Pick<Requester, "clock"> {
  readonly answer: Answer;
  readonly session: RouteSession;
  /** Events of the tokens that the last lap brought. */
  readonly shown: readonly GenerateEvent[];
  readonly events: EventBuffer;
  readonly signal: AbortSignal;
}

/** Sends the answer's next step, with a draft if that pays, and returns the lap. */
async function* runLap({ answer, session, shown, events, clock, signal }: LapOptions): AsyncGenerator<GenerateEvent, Lap> {
  const { position: keep, token, draft } = answer.nextStep(session.isRowInvariant);
  const logitRows = 1 + draft.tokens.length;
  const sentMs = clock.now();
  const stepping = session.step([token, ...draft.tokens], signal, { keep, logitRows });
  stepping.catch(() => {}); // awaited below, unless the reader leaves first and the session is closed
  // The step is on its way while the reader shows these tokens.
  yield* shown;
  let isCalm = true;
  for await (const event of events.until(stepping)) {
    isCalm = false; // the time that mending took says nothing about laps
    if (event.kind === "rerouted") answer.routed(event.hops);
    yield event;
  }
  const step = await stepping;
  if (step.rows.length === logitRows) {
    answer.timed(step.timings);
    return { draft, rows: step.rows, ms: isCalm ? clock.now() - sentMs : undefined };
  }
  // The model gives the logits of a step's last position only, so no draft can be verified, now or ever.
  answer.stopDrafting();
  const plain = await session.step([token], signal, { keep });
  answer.timed(plain.timings);
  return { draft: NO_DRAFT, rows: plain.rows, ms: undefined };
}

/**
 * Decides what becomes of the session of an answer that is over or was stopped: the shelf keeps it for a prompt that
 * begins alike, or it is closed, at once or after `onAnswered`.
 */
async function endSession(
  { model, shelf, onAnswered }: Requester,
  session: RouteSession,
  { topK, wire }: SessionNeeds,
  { positions, tokens }: HeldAnswer,
): Promise<void> {
  const isKept = shelf !== undefined && tokens !== undefined && session.isRowInvariant && session.isUsable;
  if (isKept) shelf.put({ session, model: model.id, tokens, maxPositions: session.maxPositions, topK, wire });
  const settled = session.isOpen ? onAnswered?.(session.park(), positions) : undefined;
  if (isKept) return;
  if (settled === undefined) await session.close();
  else void settled.then(() => session.close()); // nobody waits for that
}

function drawSeed(random: Requester["random"]): number {
  const bytes = random(new Uint8Array(4));
  return new DataView(bytes.buffer).getUint32(0, true);
}
