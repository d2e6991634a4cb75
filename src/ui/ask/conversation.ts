// A conversation as the browser keeps it: its turns, its system prompt, and the model that answered last. Pure.
import * as v from "valibot";
import type { ChatMessage } from "../../node/face.ts";

/** The most that is kept: characters of one message, characters of a title, and turns of a conversation. */
const MAX = Object.freeze({ text: 1_000_000, title: 80, turns: 2000 });
/** Characters of the first question that serve as the title until a person names the conversation. */
const TITLE_CHARACTERS = 48;

const Turn = v.object({
  role: v.picklist(["user", "assistant"]),
  content: v.pipe(v.string(), v.maxLength(MAX.text)),
});

export const Conversation = v.object({
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  /** Empty until the first question. */
  title: v.pipe(v.string(), v.maxLength(MAX.title)),
  /** Id of the model that answered last; null before the first answer. */
  model: v.nullable(v.pipe(v.string(), v.maxLength(128))),
  system: v.pipe(v.string(), v.maxLength(MAX.text)),
  turns: v.pipe(v.array(Turn), v.maxLength(MAX.turns)),
  /** Milliseconds since 1970. */
  updatedAt: v.number(),
});
export type Conversation = v.InferOutput<typeof Conversation>;

export const UNTITLED = "New conversation";

export function beginConversation(id: string, system: string, now: number): Conversation {
  return { id, title: "", model: null, system, turns: [], updatedAt: now };
}

/** Returns the conversation with a new question at its end. The new question replaces one that was never answered. */
export function withQuestion(conversation: Conversation, question: string, now: number): Conversation {
  const before = conversation.turns.at(-1)?.role === "user" ? conversation.turns.slice(0, -1) : conversation.turns;
  const turns = [...before, { role: "user" as const, content: question }].slice(-MAX.turns);
  return { ...conversation, title: conversation.title === "" ? titleOf(question) : conversation.title, turns, updatedAt: now };
}

/** Returns the conversation with `answer` to its last question. It replaces an earlier, shorter part of that answer. */
export function withAnswer(conversation: Conversation, answer: string, model: string | undefined, now: number): Conversation {
  const before = conversation.turns.at(-1)?.role === "assistant" ? conversation.turns.slice(0, -1) : conversation.turns;
  if (answer === "" || before.length === 0) return conversation;
  return {
    ...conversation,
    model: model ?? conversation.model,
    turns: [...before, { role: "assistant", content: answer }],
    updatedAt: now,
  };
}

/** Returns the conversation up to its last question, to be answered again; undefined if it has no question. */
export function backToQuestion(conversation: Conversation): Conversation | undefined {
  const last = conversation.turns.findLastIndex((turn) => turn.role === "user");
  return last < 0 ? undefined : { ...conversation, turns: conversation.turns.slice(0, last + 1) };
}

export function withTitle(conversation: Conversation, title: string): Conversation {
  return { ...conversation, title: title.trim().slice(0, MAX.title) };
}

/** Returns the messages that go to the model: the system prompt, if there is one, and all turns. */
export function messagesOf({ system, turns }: Conversation): readonly ChatMessage[] {
  return system.trim() === "" ? turns : [{ role: "system", content: system }, ...turns];
}

/** Returns the first words of a question, cut between words. */
function titleOf(question: string): string {
  const line = question.trim().split(/\s+/).join(" ");
  if (line.length <= TITLE_CHARACTERS) return line;
  const cut = line.slice(0, TITLE_CHARACTERS);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), TITLE_CHARACTERS / 2))}…`;
}
