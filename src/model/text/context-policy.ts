// Fits a conversation into the model's context: chooses the messages that stay if there is no room for all. Pure.
import { ManyhandsError } from "../../shared/errors.ts";
import type { ChatMessage } from "./chat-message.ts";

/** `drop-oldest` leaves out the oldest turns and keeps the system prompt. `refuse` fails instead. */
export type OverflowPolicy = "drop-oldest" | "refuse";

export interface FitOptions {
  readonly messages: readonly ChatMessage[];
  /** Returns the number of tokens of a prompt made of these messages. */
  readonly count: (messages: readonly ChatMessage[]) => number;
  readonly contextLength: number;
  /** Tokens that the answer may take. */
  readonly maxTokens: number;
  readonly policy: OverflowPolicy;
}

export interface Fitted {
  readonly messages: readonly ChatMessage[];
  /** Number of messages that were left out. */
  readonly dropped: number;
}

/** Share of the context that is kept free for an answer, if the answer may be that long. */
const ANSWER_SHARE = 0.25;

/**
 * Drops whole turns (a question with its answers), oldest first, until there is room for an answer. The system prompt
 * and the last question always stay. Throws PROMPT_TOO_LONG if these alone are too long, or if the policy is to refuse.
 */
export function fitContext({ messages, count, contextLength, maxTokens, policy }: FitOptions): Fitted {
  const reserved = Math.max(1, Math.min(maxTokens, Math.floor(contextLength * ANSWER_SHARE)));
  const limit = contextLength - (policy === "refuse" ? 1 : reserved);
  const whole = count(messages);
  if (whole <= limit) return { messages, dropped: 0 };
  if (policy === "refuse") throw tooLong(whole, contextLength, "Begin a new conversation, or let the oldest turns be left out.");
  const system = messages[0]?.role === "system" ? messages.slice(0, 1) : [];
  let rest = messages.slice(system.length);
  let tokens = whole;
  while (tokens > limit) {
    const next = rest.findIndex((message, index) => index > 0 && message.role === "user");
    if (next < 0) break;
    rest = rest.slice(next);
    tokens = count([...system, ...rest]);
  }
  // If there are no older turns left to drop, the answer gets the rest of the context.
  if (tokens >= contextLength) throw tooLong(tokens, contextLength, `Shorten it by at least ${tokens - contextLength + 1} tokens.`);
  return { messages: [...system, ...rest], dropped: messages.length - system.length - rest.length };
}

/** The sentence for a prompt that leaves no room for an answer. */
export function tooLong(tokens: number, contextLength: number, advice: string): ManyhandsError {
  return new ManyhandsError(
    "PROMPT_TOO_LONG",
    `The prompt has ${tokens} tokens; this model reads ${contextLength} with the answer counted in. ${advice}`,
  );
}
