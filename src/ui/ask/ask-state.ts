// One question and its answer so far, as plain data: each event of the node makes the next state. Pure.
import type { AskEvent, EndReason, GenerateStats, LoadProgress, ModelOffer, ModelReason, Problem, RouteHop } from "../../node/face.ts";
import type { PeerId } from "../../shared/ids.ts";
import { waitingWords } from "./waiting-words.ts";

export type AskStatus = "idle" | "waiting" | "streaming" | "done" | "stopped" | "failed";

export interface AskState {
  readonly status: AskStatus;
  readonly prompt: string;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly stats: GenerateStats | undefined;
  readonly hops: readonly RouteHop[];
  /** Peers that left in the middle and were replaced. */
  readonly lost: readonly PeerId[];
  /** What the answer waits for; undefined while it does not wait. */
  readonly waiting: { readonly message: string; readonly progress: LoadProgress | undefined } | undefined;
  /** Why the answer ended, once it did. */
  readonly ended: EndReason | undefined;
  /** How many messages of the conversation the model could not read any more. */
  readonly dropped: number;
  /** Which model answers, and why that one. */
  readonly chosen: { readonly model: ModelOffer; readonly reason: ModelReason } | undefined;
  readonly problem: Problem | undefined;
}

export const IDLE: AskState = {
  status: "idle",
  prompt: "",
  text: "",
  tokens: [],
  stats: undefined,
  hops: [],
  lost: [],
  waiting: undefined,
  ended: undefined,
  dropped: 0,
  chosen: undefined,
  problem: undefined,
};

export const isRunning = (ask: AskState): boolean => ask.status === "waiting" || ask.status === "streaming";

export function begin(prompt: string): AskState {
  return { ...IDLE, status: "waiting", prompt, waiting: { message: "Starting", progress: undefined } };
}

export function advance(ask: AskState, event: AskEvent): AskState {
  switch (event.kind) {
    case "waiting":
      return { ...ask, waiting: { message: waitingWords(event.reason), progress: event.progress } };
    case "chosen":
      return { ...ask, chosen: { model: event.model, reason: event.reason } };
    case "trimmed":
      return { ...ask, dropped: event.droppedMessages };
    case "routed":
      return { ...ask, hops: event.hops };
    case "rerouted":
      return { ...ask, hops: event.hops, lost: [...ask.lost, ...event.lost], waiting: undefined };
    case "token":
      return {
        ...ask,
        status: "streaming",
        text: ask.text + event.text,
        tokens: [...ask.tokens, event.token],
        stats: event.stats,
        hops: event.hops,
        waiting: undefined,
      };
    case "done":
      return {
        ...ask,
        status: "done",
        text: ask.text + event.text,
        stats: event.stats,
        hops: event.hops,
        waiting: undefined,
        ended: event.reason,
      };
  }
}

/** Stopped by the person; the answer so far stays. */
export const stopped = (ask: AskState): AskState => ({ ...ask, status: "stopped", waiting: undefined });

/** Ended by a failure; the answer so far stays. */
export const failed = (ask: AskState, problem: Problem): AskState => ({ ...ask, status: "failed", waiting: undefined, problem });

/** Returns one sentence about how the answer ended, for the eye and for a screen reader; empty while it runs. */
export function ending(ask: AskState): string {
  switch (ask.status) {
    case "stopped":
      return "Stopped. The answer so far is kept.";
    case "done":
      if (ask.ended === "max-tokens") return "Ended at the length that you set.";
      if (ask.ended === "context-full") return "Ended because the model's memory is full.";
      return "The model ended its answer.";
    case "failed":
      return ask.problem?.message ?? "";
    default:
      return "";
  }
}

/** Returns which model answers and why, in one sentence; empty if a person chose it or there is only one. */
export function choice({ chosen }: AskState): string {
  if (chosen === undefined) return "";
  switch (chosen.reason) {
    case "wished":
    case "only":
      return "";
    case "served":
      return `${chosen.model.name} answers: the swarm serves it now.`;
    case "alone":
      return `${chosen.model.name} answers: nobody serves a model now, and this one is small enough for this tab alone.`;
    case "first":
      return `${chosen.model.name} is asked: nobody serves a model now, and this one is first on the relay's list.`;
  }
}

/** Returns how many tabs left in the middle and what became of the answer, in one sentence; empty if none left. */
export function replacement({ lost }: AskState): string {
  if (lost.length === 0) return "";
  const who =
    lost.length === 1
      ? "A tab left in the middle and another took its place"
      : `${lost.length} tabs left in the middle and others took their places`;
  return `${who}: the text is the same.`;
}
