// The events of an answer, and the settings that shape it: plain data.
import type { OverflowPolicy } from "../model/text/context-policy.ts";
import type { PeerId, Span } from "../shared/ids.ts";
import type { LoadProgress } from "../shared/progress.ts";
import type { WireType } from "./log/wire-form.ts";

export interface GenerateOptions {
  /** New tokens at most. */
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  /** Candidates that are kept; 0 keeps all that the last span returns. */
  readonly topK: number;
  /** Nucleus: the smallest set of candidates with at least this probability; 1 keeps all. */
  readonly topP: number;
  /** Divides positive logits (multiplies negative ones) of tokens seen lately; 1 is off. */
  readonly repetitionPenalty: number;
  /** The same seed and the same settings give the same text. If it is undefined, one is drawn. */
  readonly seed: number | undefined;
  /** Strings that end an answer; they are not shown. At most 16, each of at most 200 characters. */
  readonly stop: readonly string[];
  /** Whether to guess tokens ahead when that pays; the text is the same either way. */
  readonly drafts: boolean;
  /**
   * How hidden states cross from tab to tab. `float32`: exactly, and the text is that of one machine. `float16`:
   * rounded to half the bytes, so that the text may differ from one machine's, though the same spans always give the
   * same text.
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
  /** From the question to the first token, milliseconds. */
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
  /** Positions that the new peers computed again. */
  readonly replayed: number;
  /** Milliseconds from the route's last sign of life until the loss was noticed. */
  readonly detectMs: number;
  /** Milliseconds from then until every new hop was open and linked. */
  readonly linkMs: number;
  /** Milliseconds from noticing the loss to the route's next logits, including the replay. */
  readonly resumeMs: number;
}

/** Why there is nothing to show: plain data, which a page puts into words. */
export type WaitReason =
  /** This tab joins the swarm. */
  | { readonly kind: "joining" }
  /** This tab chooses a model and looks for a route. */
  | { readonly kind: "looking" }
  /** The relay has not said yet which peers are there. */
  | { readonly kind: "listing" }
  /** A peer failed before the first token, and another route is looked for. */
  | { readonly kind: "retrying" }
  /**
   * Nobody serves these layers. Without gaps, all layers are served, but by peers that are changing places. `isMidway`:
   * the answer has begun, and has lost a peer.
   */
  | { readonly kind: "gaps"; readonly gaps: readonly Span[]; readonly isMidway: boolean }
  /**
   * This tab loads the whole model: nobody lends, or the swarm has no route, or a peer is lost that nobody replaces.
   */
  | { readonly kind: "loading"; readonly because: "nobody-lends" | "no-route" | "peer-lost" };

export type GenerateEvent =
  /** There is nothing to show yet. `progress`: of loading the model here. */
  | { readonly kind: "waiting"; readonly reason: WaitReason; readonly progress: LoadProgress | undefined }
  /** The conversation does not fit in the model's context: so many of its oldest messages are left out. */
  | { readonly kind: "trimmed"; readonly droppedMessages: number }
  | { readonly kind: "routed"; readonly hops: readonly RouteHop[] }
  | Rerouted
  /**
   * `text`: the characters that the token adds; empty while a character is incomplete or a stop string may have begun.
   */
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
      /** The rest that was held back because a stop string might have begun. */
      readonly text: string;
      readonly stats: GenerateStats;
      readonly hops: readonly RouteHop[];
    };
