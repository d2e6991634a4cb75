// A conversation as it is kept: who said what, with which system prompt, to which model. Pure.
import * as v from "valibot";
import type { ChatMessage } from "../../node/face.ts";

/** Characters of one message, of a title, and messages of a conversation, that are still kept. */
const MAX = Object.freeze({ text: 1_000_000, title: 80, turns: 2000 });
/** Characters of the first question that name a conversation until a person names it. */
const TITLE_CHARACTERS = 48;

const Turn = v.object({
  role: v.picklist(["user", "assistant"]),
  content: v.pipe(v.string(), v.maxLength(MAX.text)),
});

export const Conversation = v.object({
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  /** Empty until the first question. */
  title: v.pipe(v.string(), v.maxLength(MAX.title)),
  /** Model that answered last, by id; null before the first answer. */
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

/** With a new question at its end; one that never was answered gives way to it. */
export function withQuestion(conversation: Conversation, question: string, now: number): Conversation {
  const before = conversation.turns.at(-1)?.role === "user" ? conversation.turns.slice(0, -1) : conversation.turns;
  const turns = [...before, { role: "user" as const, content: question }].slice(-MAX.turns);
  return { ...conversation, title: conversation.title === "" ? titleOf(question) : conversation.title, turns, updatedAt: now };
}

/** With the answer to its last question, as far as it has come: a longer one replaces a shorter one. */
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

/** Back to its last question, to be answered again. Undefined where there is none. */
export function backToQuestion(conversation: Conversation): Conversation | undefined {
  const last = conversation.turns.findLastIndex((turn) => turn.role === "user");
  return last < 0 ? undefined : { ...conversation, turns: conversation.turns.slice(0, last + 1) };
}

export function withTitle(conversation: Conversation, title: string): Conversation {
  return { ...conversation, title: title.trim().slice(0, MAX.title) };
}

/** What a model is asked. */
export function messagesOf({ system, turns }: Conversation): readonly ChatMessage[] {
  return system.trim() === "" ? turns : [{ role: "system", content: system }, ...turns];
}

/** The first words of a question, cut between words. */
function titleOf(question: string): string {
  const line = question.trim().split(/\s+/).join(" ");
  if (line.length <= TITLE_CHARACTERS) return line;
  const cut = line.slice(0, TITLE_CHARACTERS);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), TITLE_CHARACTERS / 2))}…`;
}
