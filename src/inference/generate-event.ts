// What an answer is made of, event by event, and the settings that shape it: plain data.
import type { OverflowPolicy } from "../model/text/context-policy.ts";
import type { PeerId, Span } from "../shared/ids.ts";
import type { LoadProgress } from "../shared/progress.ts";
import type { WireType } from "./log/wire-form.ts";

export interface GenerateOptions {
  /** New tokens at most. */
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  /** Candidates kept; 0 keeps all that the last span returns. */
  readonly topK: number;
  /** Nucleus: the smallest set of candidates with at least this probability; 1 keeps all. */
  readonly topP: number;
  /** Divides positive logits (multiplies negative ones) of tokens seen lately; 1 is off. */
  readonly repetitionPenalty: number;
  /** Same seed, same settings, same text. Undefined draws one. */
  readonly seed: number | undefined;
  /** Strings that end an answer; they are not shown. At most 16, each of at most 200 characters. */
  readonly stop: readonly string[];
  /** Whether to guess tokens ahead where that pays; the text is the same either way. */
  readonly drafts: boolean;
  /**
   * How hidden states cross from tab to tab. `float32`: exactly, and the text is that of one machine. `float16`: half the
   * bytes, rounded, so that the text may differ from one machine's, though it is the same again over the same spans.
   */
  readonly wire: WireType;
  /** What happens when a conversation outgrows the model's context. */
  readonly overflow: OverflowPolicy;
}

export type EndReason = "stop-token" | "stop-string" | "max-tokens" | "context-full";

/** One hop of the route that answers. */
export interface RouteHop {
  readonly peer: PeerId;
  readonly isSelf: boolean;
  readonly span: Span;
  /** Mean compute milliseconds a token, so far. */
  readonly computeMs: number;
}

export interface GenerateStats {
  readonly promptTokens: number;
  readonly newTokens: number;
  /** From asking to the first token, milliseconds. */
  readonly timeToFirstTokenMs: number;
  /** Over the tokens after the first; 0 before the second. */
  readonly tokensPerSecond: number;
  readonly seed: number;
}

/** Peers were lost and others took their place; the answer is the same. */
export interface Rerouted {
  readonly kind: "rerouted";
  readonly lost: readonly PeerId[];
  /** The route as it is now. */
  readonly hops: readonly RouteHop[];
  /** Positions that whoever is new computed again. */
  readonly replayed: number;
  /** From the last sign of the route to the moment in which the loss was noticed, milliseconds. */
  readonly detectMs: number;
  /** Of that on, milliseconds until every new hop was open and linked. */
  readonly linkMs: number;
  /** Milliseconds from noticing the loss to the next answer of the route, the replay in it. */
  readonly resumeMs: number;
}

export type GenerateEvent =
  /** Nothing to show yet: looking for a route, loading the model here, waiting for a peer. */
  | { readonly kind: "waiting"; readonly message: string; readonly progress: LoadProgress | undefined }
  /** The conversation has no room in the model's context: so many of its oldest messages are left out. */
  | { readonly kind: "trimmed"; readonly droppedMessages: number }
  | { readonly kind: "routed"; readonly hops: readonly RouteHop[] }
  | Rerouted
  /** `text` is what the token adds; empty while a character is incomplete or a stop string may have begun. */
  | {
      readonly kind: "token";
      readonly token: number;
      readonly text: string;
      readonly stats: GenerateStats;
      readonly hops: readonly RouteHop[];
    }
  | {
      readonly kind: "done";
      readonly reason: EndReason;
      /** What was held back because a stop string might have begun. */
      readonly text: string;
      readonly stats: GenerateStats;
      readonly hops: readonly RouteHop[];
    };
