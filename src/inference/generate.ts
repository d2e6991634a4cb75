// Prompt in, tokens out: the main job, and the file to read first. Plans a route, opens a session over it, feeds the
// prompt in chunks, then samples a token from what the last span answers and steps it in, until the answer ends.
import type { GenerateEvent, GenerateOptions, GenerateStats, RouteHop } from "./generate-event.ts";
import type { SpanTiming } from "../protocol/session-frames.ts";
import type { Route } from "../route/plan-route.ts";
import type { Clock } from "../shared/clock.ts";
import { errorCode, ManyhandsError } from "../shared/errors.ts";
import type { ModelId, PeerId } from "../shared/ids.ts";
import { completeOptions } from "./generate-options.ts";
import { RouteSession, type RouteSessionDeps, type StepAnswer } from "./route-session.ts";
import type { Sampler, SamplerOptions } from "../model/sampler.ts";
import type { Tokenizer } from "../model/tokenizer.ts";

const DEFAULTS = Object.freeze({
  /** Positions in a prefill step at most: the first token waits for no more than this at each span. */
  chunkPositions: 128,
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
}

export interface GenerateDeps extends RouteSessionDeps {
  readonly model: PromptModel;
  readonly clock: Clock;
  /** Makes the sampler of one answer. */
  readonly createSampler: (options: SamplerOptions) => Sampler;
  /** Yields what is waited for; returns a route that leaves `exclude` out. Throws NO_ROUTE. */
  readonly findRoute: (exclude: ReadonlySet<PeerId>, signal: AbortSignal) => AsyncGenerator<GenerateEvent, Route>;
}

/**
 * Streams the answer to `prompt`. Throws BAD_INPUT, PROMPT_TOO_LONG, NO_ROUTE, PEER_LOST, PEER_UNREACHABLE,
 * SESSION_REFUSED, ENGINE_FAILED, TIMEOUT, or the signal's reason. Greedy answers are those of one unsplit session.
 */
export async function* generate(
  deps: GenerateDeps,
  prompt: string,
  partial: Partial<GenerateOptions>,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, void> {
  const { model, clock } = deps;
  const options = completeOptions(partial);
  const promptTokens = encodePrompt(model, prompt);
  const maxPositions = Math.min(model.contextLength, promptTokens.length + options.maxTokens);
  const seed = options.seed ?? drawSeed(deps.random);
  const sampler = deps.createSampler({ ...options, seed });
  const started = clock.now();

  const { session, hops, answer } = yield* connect(deps, promptTokens, { maxPositions, topK: sampler.candidates }, signal);
  try {
    const decoder = model.tokenizer.decoder();
    const progress = new Progress(promptTokens.length, seed, started, hops);
    const history = [...promptTokens];
    for (let current = answer; ;) {
      const token = sampler.next(current.logits, history);
      if (model.stopTokens.has(token)) {
        yield progress.done("stop-token");
        return;
      }
      history.push(token);
      const made = history.length - promptTokens.length;
      const full = made >= options.maxTokens || history.length >= model.contextLength;
      // The next step is on its way while whoever reads the answer shows this token.
      const next = full ? undefined : session.step([token], signal);
      next?.catch(() => {}); // awaited below, unless the reader leaves first and the session is closed
      // What the decoder holds back at the end is half a character: it is never shown.
      yield progress.token(token, decoder.push(token), clock.now());
      if (next === undefined) {
        yield progress.done(made >= options.maxTokens ? "max-tokens" : "context-full");
        return;
      }
      current = await next;
      progress.timed(current.timings);
    }
  } finally {
    await session.close();
  }
}

/** Token ids of a prompt. Throws BAD_INPUT where it is empty, PROMPT_TOO_LONG where no room for an answer is left. */
function encodePrompt(model: PromptModel, prompt: string): readonly number[] {
  if (prompt.trim() === "") throw new ManyhandsError("BAD_INPUT", "The prompt is empty. Type the beginning of a text and ask again.");
  const tokens = model.tokenizer.encode(prompt);
  if (tokens.length >= model.contextLength) {
    throw new ManyhandsError(
      "PROMPT_TOO_LONG",
      `The prompt has ${tokens.length} tokens; this model reads ${model.contextLength} with the answer counted in. Shorten it by at least ${tokens.length - model.contextLength + 1} tokens.`,
    );
  }
  return tokens;
}

interface Connected {
  readonly session: RouteSession;
  readonly hops: readonly RouteHop[];
  /** What follows the prompt. */
  readonly answer: StepAnswer;
}

/** Finds a route that takes the prompt; goes round peers that fail before anything was shown. */
async function* connect(
  deps: GenerateDeps,
  prompt: readonly number[],
  room: { maxPositions: number; topK: number },
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, Connected> {
  const { model } = deps;
  const exclude = new Set<PeerId>();
  for (let attempt = 1; ; attempt++) {
    const route = yield* deps.findRoute(exclude, signal);
    let session: RouteSession | undefined;
    try {
      session = await RouteSession.open(
        deps,
        { model: model.id, route, vocabularySize: model.vocabularySize, ...room },
        signal,
        ({ peer }) => {
          if (peer !== undefined) exclude.add(peer);
        },
      );
      const hops = route.map(({ peer, span }) => ({ peer, span, isSelf: peer === deps.mesh.self, computeMs: 0 }));
      yield { kind: "routed", hops };
      let answer: StepAnswer | undefined;
      for (const chunk of chunks(prompt, DEFAULTS.chunkPositions)) answer = await session.step(chunk, signal);
      if (!answer) throw new ManyhandsError("BAD_INPUT", "The prompt has no tokens.");
      return { session, hops, answer };
    } catch (error) {
      await session?.close();
      signal.throwIfAborted();
      const code = errorCode(error);
      const another = code === "PEER_LOST" || code === "PEER_UNREACHABLE" || code === "SESSION_REFUSED";
      if (!another || attempt >= DEFAULTS.attempts) throw error;
      yield { kind: "waiting", message: "A peer left before it could answer. Looking for another route.", progress: undefined };
    }
  }
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

function drawSeed(random: RouteSessionDeps["random"]): number {
  const bytes = random(new Uint8Array(4));
  return new DataView(bytes.buffer).getUint32(0, true);
}

/** Counts and times one answer. */
class Progress {
  readonly #promptTokens: number;
  readonly #seed: number;
  readonly #startedMs: number;
  #hops: readonly RouteHop[];
  #steps = 0;
  #newTokens = 0;
  #firstMs = 0;
  #lastMs = 0;

  constructor(promptTokens: number, seed: number, startedMs: number, hops: readonly RouteHop[]) {
    this.#promptTokens = promptTokens;
    this.#seed = seed;
    this.#startedMs = startedMs;
    this.#hops = hops;
  }

  /** Takes a decode step's timings into the running mean of each hop. */
  timed(timings: readonly SpanTiming[]): void {
    this.#steps++;
    this.#hops = this.#hops.map((hop, index) => ({
      ...hop,
      computeMs: hop.computeMs + ((timings[index]?.computeMs ?? 0) - hop.computeMs) / this.#steps,
    }));
  }

  token(token: number, text: string, nowMs: number): GenerateEvent {
    this.#newTokens++;
    if (this.#newTokens === 1) this.#firstMs = nowMs;
    this.#lastMs = nowMs;
    return { kind: "token", token, text, stats: this.#stats(), hops: this.#hops };
  }

  done(reason: "stop-token" | "max-tokens" | "context-full"): GenerateEvent {
    return { kind: "done", reason, stats: this.#stats(), hops: this.#hops };
  }

  #stats(): GenerateStats {
    const seconds = (this.#lastMs - this.#firstMs) / 1000;
    return {
      promptTokens: this.#promptTokens,
      newTokens: this.#newTokens,
      timeToFirstTokenMs: this.#firstMs - this.#startedMs,
      tokensPerSecond: seconds > 0 ? (this.#newTokens - 1) / seconds : 0,
      seed: this.#seed,
    };
  }
}
