// A conversation as plain data, which a chat template turns into one prompt.

export type ChatRole = "system" | "user" | "assistant";

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
}

/** Turns a conversation into the text that the model continues. */
export interface ChatTemplate {
  /**
   * Returns the prompt up to the start of the answer, with special tokens as text. Throws
   * BAD_INPUT if the template refuses.
   */
  readonly render: (messages: readonly ChatMessage[]) => string;
}
