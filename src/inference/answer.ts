// One answer as it grows: samples the tokens that a lap brings, turns them into text, notices the end, and chooses the
// next step. It knows no peers: `generate.ts` carries its steps over a route.
import type { TopLogits } from "../engine/contract.ts";
import type { Sampler } from "../model/text/sampler.ts";
import { StopStrings } from "../model/text/stop-strings.ts";
import type { Tokenizer, TextStream } from "../model/text/tokenizer.ts";
import type { SpanTiming } from "../protocol/session-frames.ts";
import type { Clock } from "../shared/clock.ts";
import { AnswerProgress } from "./answer-progress.ts";
import { Drafting } from "./draft/drafting.ts";
import type { Draft } from "./draft/draft-lookup.ts";
import { verifyDraft } from "./draft/verify-draft.ts";
import type { EndReason, GenerateEvent, GenerateOptions, RouteHop } from "./generate-event.ts";

export interface AnswerOptions extends Pick<GenerateOptions, "maxTokens" | "stop" | "drafts"> {
  readonly model: { readonly tokenizer: Tokenizer; readonly stopTokens: ReadonlySet<number>; readonly contextLength: number };
  readonly prompt: readonly number[];
  readonly sampler: Sampler;
  readonly seed: number;
  readonly clock: Pick<Clock, "now">;
}

/** The next step of an answer: its newest token, and a draft after it if that pays. */
export interface NextStep {
  /** Positions before it: everything but the newest token. */
  readonly position: number;
  readonly token: number;
  readonly draft: Draft;
}

/** The result of a step. */
export interface Lap {
  readonly draft: Draft;
  /** The logits after each of its positions, the last of them after the draft. */
  readonly rows: readonly TopLogits[];
  /**
   * Milliseconds from sending the step to its logits; undefined for the prompt, and if the route was mended meanwhile.
   */
  readonly ms: number | undefined;
}

/** The part of an answer that every span of the route holds. */
export interface HeldAnswer {
  readonly positions: number;
  /** The tokens at these positions; undefined until the answer has ended by itself, because a step may be under way. */
  readonly tokens: readonly number[] | undefined;
}

export class Answer {
  readonly #options: AnswerOptions;
  /** Of the prompt and of the answer. */
  readonly #tokens: number[];
  readonly #decoder: TextStream;
  readonly #stops: StopStrings;
  readonly #progress: AnswerProgress;
  readonly #drafting: Drafting;
  #isOver = false;
  #held: HeldAnswer;

  constructor(options: AnswerOptions) {
    this.#options = options;
    const { model, prompt, seed, clock, stop, drafts } = options;
    this.#tokens = [...prompt];
    this.#decoder = model.tokenizer.decoder();
    this.#stops = new StopStrings(stop);
    this.#progress = new AnswerProgress(prompt.length, seed, clock.now());
    this.#drafting = new Drafting(prompt, drafts);
    this.#held = { positions: prompt.length, tokens: undefined };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get held(): HeldAnswer {
    return this.#held;
  }

  /** The answer goes on over `hops`. */
  routed(hops: readonly RouteHop[]): void {
    this.#progress.routed(hops);
  }

  /** A decode step took each span so long. */
  timed(timings: readonly SpanTiming[]): void {
    this.#progress.timed(timings);
  }

  /** This model cannot verify drafts. */
  stopDrafting(): void {
    this.#drafting.stop();
  }

  /**
   * Samples the tokens that `lap` brings, and returns their events. If the answer ends with one of them, `done` is the
   * last.
   */
  accept({ draft, rows, ms }: Lap): readonly GenerateEvent[] {
    const { length } = this.#tokens;
    const events: GenerateEvent[] = [];
    for (const token of verifyDraft(draft.tokens, rows, this.#options.sampler, this.#tokens)) {
      events.push(...this.#add(token));
      if (this.#isOver) break;
    }
    const added = this.#tokens.slice(length);
    if (ms !== undefined) this.#drafting.lapped(draft, added.length - 1, ms);
    const wrong = draft.tokens.findIndex((token, index) => added[index] !== token);
    const tokens = this.#tokens.slice(0, length + (wrong < 0 ? draft.tokens.length : wrong));
    this.#held = this.#isOver ? { positions: tokens.length, tokens } : { positions: length, tokens: undefined };
    return events;
  }

  /** `mayDraft`: whether the route can verify a draft. */
  nextStep(mayDraft: boolean): NextStep {
    const { model, prompt, maxTokens } = this.#options;
    const { length } = this.#tokens;
    const maxPositions = Math.min(model.contextLength, prompt.length + maxTokens);
    return {
      position: length - 1,
      token: this.#tokens[length - 1] as number, // a prompt is never empty
      draft: this.#drafting.next(mayDraft ? maxPositions - length : 0),
    };
  }

  #add(token: number): readonly GenerateEvent[] {
    const { model, prompt, maxTokens, clock } = this.#options;
    if (model.stopTokens.has(token)) return [this.#end("stop-token")];
    this.#tokens.push(token);
    this.#drafting.push(token);
    const { text, stopped } = this.#stops.push(this.#decoder.push(token));
    const event = this.#progress.token(token, text, clock.now());
    if (stopped) return [event, this.#end("stop-string")];
    if (this.#tokens.length - prompt.length >= maxTokens) return [event, this.#end("max-tokens")];
    if (this.#tokens.length >= model.contextLength) return [event, this.#end("context-full")];
    return [event];
  }

  /** If the decoder still holds something back, it is half a character, and is never shown. */
  #end(reason: EndReason): GenerateEvent {
    this.#isOver = true;
    return this.#progress.done(reason, this.#stops.flush());
  }
}
