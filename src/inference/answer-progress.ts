// Counts and times one answer, and makes the events that report it.
import type { SpanTiming } from "../protocol/session-frames.ts";
import type { Route } from "../route/plan-route.ts";
import { type PeerId, sameSpan } from "../shared/ids.ts";
import type { EndReason, GenerateEvent, GenerateStats, RouteHop } from "./generate-event.ts";

/** A route as events show it, before anything was computed over it. */
export const hopsOf = (route: Route, self: PeerId): readonly RouteHop[] =>
  route.map(({ peer, span }) => ({ peer, span, isSelf: peer === self, computeMs: 0 }));

/** Counts and times one answer. */
export class AnswerProgress {
  readonly #promptTokens: number;
  readonly #seed: number;
  readonly #startedMs: number;
  #hops: readonly RouteHop[] = [];
  #steps = 0;
  #newTokens = 0;
  #firstMs = 0;
  #lastMs = 0;

  constructor(promptTokens: number, seed: number, startedMs: number) {
    this.#promptTokens = promptTokens;
    this.#seed = seed;
    this.#startedMs = startedMs;
  }

  /** The answer goes on over `hops`. Those that it went over before keep their figures. */
  routed(hops: readonly RouteHop[]): void {
    const known = (hop: RouteHop): RouteHop | undefined =>
      this.#hops.find(({ peer, span }) => peer === hop.peer && sameSpan(span, hop.span));
    this.#hops = hops.map((hop) => known(hop) ?? hop);
  }

  /** Adds a decode step's timings to the running mean of each hop. */
  timed(timings: readonly SpanTiming[]): void {
    this.#steps++;
    this.#hops = this.#hops.map((hop) => {
      const timing = timings.find(({ start }) => start === hop.span.start);
      return timing ? { ...hop, computeMs: hop.computeMs + (timing.computeMs - hop.computeMs) / this.#steps } : hop;
    });
  }

  token(token: number, text: string, nowMs: number): GenerateEvent {
    this.#newTokens++;
    if (this.#newTokens === 1) this.#firstMs = nowMs;
    this.#lastMs = nowMs;
    return { kind: "token", token, text, stats: this.#stats(), hops: this.#hops };
  }

  /** `text`: the rest that was held back until now. */
  done(reason: EndReason, text: string): GenerateEvent {
    return { kind: "done", reason, text, stats: this.#stats(), hops: this.#hops };
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
