// Prompt in, tokens out: the main job, and the file to read first. Encodes, plans a route, opens a session over it, feeds the
// prompt in chunks, then samples a token from what the last span answers and steps it in, until the answer ends.
import { AnswerProgress, hopsOf } from "./answer-progress.ts";
import type { TopLogits } from "../engine/contract.ts";
import { verifyDraft } from "./draft/draft.ts";
import { Drafting } from "./draft/drafting.ts";
import type { Draft } from "./draft/draft-lookup.ts";
import { encodePrompt, type Prompt } from "./encode-prompt.ts";
import { EventBuffer } from "./event-buffer.ts";
import type { GenerateEvent, GenerateOptions, RouteHop } from "./generate-event.ts";
import type { Route } from "../route/plan-route.ts";
import type { Clock } from "../shared/clock.ts";
import { errorCode } from "../shared/errors.ts";
import type { ModelId, PeerId } from "../shared/ids.ts";
import { completeOptions } from "./generate-options.ts";
import { RouteSession, type RouteSessionOptions } from "./requester/route-session.ts";
import type { StepAnswer } from "./requester/pending-steps.ts";
import { HEADROOM_POSITIONS, type SessionShelf } from "./requester/session-shelf.ts";
import type { SessionRecord } from "./requester/session-record.ts";
import type { ChatTemplate } from "../model/text/chat-message.ts";
import type { Sampler, SamplerOptions } from "../model/text/sampler.ts";
import { StopStrings } from "../model/text/stop-strings.ts";
import type { WireType } from "./log/wire-form.ts";
import type { Tokenizer } from "../model/text/tokenizer.ts";

const DEFAULTS = Object.freeze({
  /** Positions in a prefill step at most: small enough that every span of a short route has one while a prompt is read. */
  chunkPositions: 32,
  /** Routes tried before the first token has been shown. */
  attempts: 3,
});

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

export interface GenerateDeps extends Pick<RouteSessionOptions, "mesh" | "random" | "findDetour"> {
  readonly model: PromptModel;
  readonly clock: Clock;
  /** Makes the sampler of one answer. */
  readonly createSampler: (options: SamplerOptions) => Sampler;
  /** Yields what is waited for; returns a route that leaves `exclude` out. Throws NO_ROUTE. */
  readonly findRoute: (exclude: ReadonlySet<PeerId>, signal: AbortSignal) => AsyncGenerator<GenerateEvent, Route>;
  /** Keeps sessions for prompts that begin alike. */
  readonly shelf?: SessionShelf;
  /**
   * Looks after an answer that is over, or was stopped: every span holds the first `positions`. Never rejects. A session that
   * is not kept is closed once it resolves.
   */
  readonly onAnswered?: (record: SessionRecord, positions: number) => Promise<void>;
}

/**
 * Streams the answer to `prompt`, a text to go on with or a conversation to answer. Throws BAD_INPUT, PROMPT_TOO_LONG, NO_ROUTE, PEER_LOST, PEER_UNREACHABLE,
 * SESSION_REFUSED, ENGINE_FAILED, TIMEOUT, or the signal's reason. Greedy answers are those of one unsplit session, whoever is
 * lost on the way.
 */
export async function* generate(
  deps: GenerateDeps,
  prompt: Prompt,
  partial: Partial<GenerateOptions>,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, void> {
  const { model, clock } = deps;
  const options = completeOptions(partial);
  const { tokens: promptTokens, droppedMessages } = encodePrompt(model, prompt, options);
  if (droppedMessages > 0) yield { kind: "trimmed", droppedMessages };
  const maxPositions = Math.min(model.contextLength, promptTokens.length + options.maxTokens);
  const seed = options.seed ?? drawSeed(deps.random);
  const sampler = deps.createSampler({ ...options, seed });
  const started = clock.now();

  const events = new EventBuffer();
  const topK = sampler.candidates;
  const { wire } = options;
  const { session, hops, answer } = yield* connect(deps, promptTokens, { maxPositions, topK, wire }, events, signal);
  /** What every span holds once the answer is over. */
  let held: readonly number[] | undefined;
  /** Positions that every span holds so far. */
  let heldPositions = promptTokens.length;
  try {
    const decoder = model.tokenizer.decoder();
    const stops = new StopStrings(options.stop);
    const progress = new AnswerProgress(promptTokens.length, seed, started, hops);
    const history = [...promptTokens];
    const drafting = new Drafting(promptTokens, options.drafts);
    let lap: Lap = { draft: { tokens: [], match: 0 }, rows: [answer.logits], ms: undefined };
    for (;;) {
      const told: GenerateEvent[] = [];
      const before = history.length;
      let end: GenerateEvent | undefined;
      for (const token of verifyDraft(lap.draft.tokens, lap.rows, sampler, history)) {
        if (model.stopTokens.has(token)) {
          end = progress.done("stop-token", stops.flush());
          break;
        }
        history.push(token);
        drafting.push(token);
        const { text, stopped } = stops.push(decoder.push(token));
        told.push(progress.token(token, text, clock.now()));
        const isFull = history.length - promptTokens.length >= options.maxTokens;
        // What the decoder holds back at the end is half a character: it is never shown.
        if (stopped || isFull || history.length >= model.contextLength) {
          end = progress.done(stopped ? "stop-string" : isFull ? "max-tokens" : "context-full", stops.flush());
          break;
        }
      }
      if (lap.ms !== undefined) drafting.lapped(lap.draft, history.length - before - 1, lap.ms);
      if (end !== undefined) {
        const wrong = lap.draft.tokens.findIndex((token, index) => history[before + index] !== token);
        held = history.slice(0, before + (wrong < 0 ? lap.draft.tokens.length : wrong));
        yield* told;
        yield end;
        return;
      }
      const draft = drafting.next(session.isRowInvariant ? maxPositions - history.length : 0);
      const last = history.slice(-1);
      const place = { keep: history.length - 1, logitRows: draft.tokens.length + 1 };
      const sentMs = clock.now();
      // The next step is on its way while whoever reads the answer shows these tokens.
      const next = session.step([...last, ...draft.tokens], signal, place);
      next.catch(() => {}); // awaited below, unless the reader leaves first and the session is closed
      yield* told;
      let isCalm = true;
      for await (const event of events.until(next)) {
        isCalm = false; // what mending took says nothing about laps
        if (event.kind === "rerouted") progress.rerouted(event.hops);
        yield event;
      }
      let current = await next;
      if (current.rows.length < place.logitRows) {
        // The model gives the last position's logits alone: the draft cannot be checked, now or ever.
        drafting.stop();
        current = await session.step(last, signal, { keep: place.keep });
        lap = { draft: { tokens: [], match: 0 }, rows: current.rows, ms: undefined };
      } else lap = { draft, rows: current.rows, ms: isCalm ? clock.now() - sentMs : undefined };
      progress.timed(current.timings);
      heldPositions = history.length;
    }
  } finally {
    const { shelf, onAnswered } = deps;
    const isKept = shelf !== undefined && held !== undefined && session.isRowInvariant && session.isUsable;
    if (isKept && held) shelf.put({ session, model: model.id, tokens: held, maxPositions: session.maxPositions, topK, wire });
    const looked = session.isOpen ? onAnswered?.(session.park(), held?.length ?? heldPositions) : undefined;
    if (looked !== undefined) void looked.then(() => (isKept ? undefined : session.close()));
    else if (!isKept) await session.close();
  }
}

/** What a step brought: the logits after each of its positions, the last of them after the draft. */
interface Lap {
  readonly draft: Draft;
  readonly rows: readonly TopLogits[];
  /** Milliseconds from sending it to its logits; undefined for the prompt, and where the route was mended meanwhile. */
  readonly ms: number | undefined;
}

/** What a session is opened for. */
type Room = Pick<RouteSessionOptions, "maxPositions" | "topK"> & { readonly wire: WireType };

interface Connected {
  readonly session: RouteSession;
  readonly hops: readonly RouteHop[];
  /** What follows the prompt. */
  readonly answer: StepAnswer;
}

/** The route of an answer that began like this one, gone on with from where they part; undefined where there is none. */
async function* reconnect(
  deps: GenerateDeps,
  prompt: readonly number[],
  room: Room,
  events: EventBuffer,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, Connected | undefined> {
  const kept = deps.shelf?.take({ model: deps.model.id, prompt, ...room });
  if (!kept) return undefined;
  const { session, keep } = kept;
  try {
    session.resume((event) => events.push(event));
    return yield* feed(session, prompt, { keep, self: deps.mesh.self, events, signal });
  } catch (error) {
    await session.close();
    signal.throwIfAborted();
    if (!isRouteFault(error)) throw error;
    return undefined; // a fresh route answers it
  }
}

/** Finds a route that takes the prompt; goes round peers that fail before anything was shown. */
async function* connect(
  deps: GenerateDeps,
  prompt: readonly number[],
  room: Room,
  events: EventBuffer,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, Connected> {
  const { model } = deps;
  const again = yield* reconnect(deps, prompt, room, events, signal);
  if (again) return again;
  const exclude = new Set<PeerId>();
  const headroom = deps.shelf ? HEADROOM_POSITIONS : 0;
  const maxPositions = Math.min(model.contextLength, room.maxPositions + headroom);
  for (let attempt = 1; ; attempt++) {
    const route = yield* deps.findRoute(exclude, signal);
    let session: RouteSession | undefined;
    try {
      const { mesh, clock, random, findDetour } = deps;
      session = await RouteSession.open(
        {
          mesh,
          clock,
          random,
          ...(findDetour && { findDetour }),
          model: model.id,
          route,
          vocabularySize: model.vocabularySize,
          ...room,
          maxPositions,
          onEvent: (event) => events.push(event),
          onFailure: ({ peer }) => {
            if (peer !== undefined) exclude.add(peer);
          },
        },
        signal,
      );
      return yield* feed(session, prompt, { keep: 0, self: deps.mesh.self, events, signal });
    } catch (error) {
      await session?.close();
      signal.throwIfAborted();
      if (!isRouteFault(error) || attempt >= DEFAULTS.attempts) throw error;
      yield { kind: "waiting", message: "A peer left before it could answer. Looking for another route.", progress: undefined };
    }
  }
}

/** Whether another route may be tried after `error`. */
function isRouteFault(error: unknown): boolean {
  const code = errorCode(error);
  return code === "PEER_LOST" || code === "PEER_UNREACHABLE" || code === "SESSION_REFUSED";
}

/** Reads the prompt, of which the session holds the first `keep` positions. */
async function* feed(
  session: RouteSession,
  prompt: readonly number[],
  of: { readonly keep: number; readonly self: PeerId; readonly events: EventBuffer; readonly signal: AbortSignal },
): AsyncGenerator<GenerateEvent, Connected> {
  let hops = hopsOf(session.route, of.self);
  yield { kind: "routed", hops };
  const answer = session.prefill(chunks(prompt.slice(of.keep), DEFAULTS.chunkPositions), of.signal, of.keep);
  for await (const event of of.events.until(answer)) {
    if (event.kind === "rerouted") hops = event.hops;
    yield event;
  }
  return { session, hops, answer: await answer };
}

/**
 * `tokens` in the fewest chunks of at most `size`, of lengths that differ by one at most: no chunk is left with a single
 * position, for which the runtime's attention would take another kernel.
 */
export function chunks(tokens: readonly number[], size: number): readonly (readonly number[])[] {
  const count = Math.ceil(tokens.length / size);
  return Array.from({ length: count }, (_, index) =>
    tokens.slice(Math.floor((index * tokens.length) / count), Math.floor(((index + 1) * tokens.length) / count)),
  );
}

function drawSeed(random: RouteSessionOptions["random"]): number {
  const bytes = random(new Uint8Array(4));
  return new DataView(bytes.buffer).getUint32(0, true);
}
