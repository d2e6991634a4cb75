// Turns a text or a conversation into the token ids that the model continues, and leaves room for an answer.
import type { ChatMessage, ChatTemplate } from "../model/text/chat-message.ts";
import { fitContext, type OverflowPolicy, tooLong } from "../model/text/context-policy.ts";
import type { Tokenizer } from "../model/text/tokenizer.ts";
import { ManyhandsError } from "../shared/errors.ts";

/** A text to go on with, or a conversation to answer. */
export type Prompt = string | readonly ChatMessage[];

export interface EncodedPrompt {
  readonly tokens: readonly number[];
  /** How many messages of the conversation did not fit. */
  readonly droppedMessages: number;
}

export interface TextModel {
  readonly contextLength: number;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatTemplate | undefined;
}

/**
 * A model without a chat template goes on with the messages' texts, one under the other. Throws BAD_INPUT if there is
 * nothing to answer, or PROMPT_TOO_LONG if no room for an answer is left.
 */
export function encodePrompt(
  model: TextModel,
  prompt: Prompt,
  options: { readonly maxTokens: number; readonly overflow: OverflowPolicy },
): EncodedPrompt {
  const { contextLength, tokenizer, chat } = model;
  if (typeof prompt === "string") {
    if (prompt.trim() === "") throw new ManyhandsError("BAD_INPUT", "The prompt is empty. Type the beginning of a text and ask again.");
    const tokens = tokenizer.encode(prompt);
    if (tokens.length >= contextLength)
      throw tooLong(tokens.length, contextLength, `Shorten it by at least ${tokens.length - contextLength + 1} tokens.`);
    return { tokens, droppedMessages: 0 };
  }
  if (prompt.at(-1)?.role !== "user" || prompt.at(-1)?.content.trim() === "")
    throw new ManyhandsError("BAD_INPUT", "The conversation ends without a question. Type one and ask again.");
  const encode = (messages: readonly ChatMessage[]): readonly number[] =>
    chat === undefined
      ? tokenizer.encode(messages.map((message) => message.content).join("\n"))
      : tokenizer.encode(chat.render(messages), { bare: true });
  const { messages, dropped } = fitContext({
    messages: prompt,
    count: (some) => encode(some).length,
    contextLength,
    maxTokens: options.maxTokens,
    policy: options.overflow,
  });
  return { tokens: encode(messages), droppedMessages: dropped };
}
