// Runs a model's own chat template (Jinja, as on the hub) over a conversation. It is
// loaded only for models that have one.
import { Template } from "@huggingface/jinja";
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { ChatMessage, ChatTemplate } from "./chat-message.ts";

/** The most characters of a rendered prompt: more than any context. A template that loops without end stops here. */
const PROMPT_MAX_LENGTH = 8_000_000;

/** Tokens that templates write by name (`bos_token`, …). */
export type SpecialTokens = Readonly<Record<string, string>>;

/** The special tokens that a tokenizer_config.json names. */
export function readSpecialTokens(configJson: Uint8Array | undefined): SpecialTokens {
  if (configJson === undefined) return {};
  const config: unknown = JSON.parse(new TextDecoder("utf-8").decode(configJson));
  if (typeof config !== "object" || config === null) return {};
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    if (!name.endsWith("_token")) continue;
    const content: unknown = typeof value === "object" && value !== null && "content" in value ? value.content : value;
    if (typeof content === "string") found[name] = content;
  }
  return found;
}

/** Throws MODEL_CORRUPT if `source` is no template. */
export function readChatTemplate(source: string, special: SpecialTokens): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new ManyhandsError("MODEL_CORRUPT", "the model's chat template cannot be read", { cause });
  }
  const run = (messages: readonly ChatMessage[]): string =>
    template.render({
      ...special,
      messages: messages.map((message) => ({ ...message })),
      add_generation_prompt: true,
    });
  return {
    render(messages) {
      let text: string;
      try {
        text = run(messages);
      } catch (cause) {
        const folded = foldSystem(messages);
        if (folded === undefined) throw refused(cause);
        try {
          text = run(folded); // templates without a place for a system prompt (Gemma 2) refuse one
        } catch (again) {
          throw refused(again);
        }
      }
      if (text.length > PROMPT_MAX_LENGTH) throw refused(new Error("it makes a text without end"));
      return text;
    },
  };
}

function refused(cause: unknown): ManyhandsError {
  return new ManyhandsError(
    "BAD_INPUT",
    `This model's chat template does not take the conversation (${errorMessage(cause)}). Begin a new one, or ask another model.`,
    { cause },
  );
}

/**
 * The conversation with the system prompt at the head of the person's first message;
 * undefined if there is no system prompt.
 */
function foldSystem(messages: readonly ChatMessage[]): readonly ChatMessage[] | undefined {
  const [system, first, ...rest] = messages;
  if (system?.role !== "system" || first?.role !== "user") return undefined;
  return [{ role: "user", content: `${system.content}\n\n${first.content}` }, ...rest];
}
