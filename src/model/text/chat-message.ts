// A conversation as plain data: what a chat template turns into one prompt.

export type ChatRole = "system" | "user" | "assistant";

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
}

/** Turns a conversation into the text that the model continues. */
export interface ChatTemplate {
  /** The prompt up to where the answer begins, special tokens in it as text. Throws BAD_INPUT where the template refuses. */
  readonly render: (messages: readonly ChatMessage[]) => string;
}
