// Compares our tokenizers and chat templates with Hugging Face's in Python: the ids are the same on every prompt
// (tools/fixtures/tokenizer_references.py).
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../../../../src/model/text/chat-message.ts";
import { readChatTemplate, readSpecialTokens } from "../../../../src/model/text/chat-template.ts";
import { readTokenizer, type Tokenizer } from "../../../../src/model/text/tokenizer.ts";
import { byteLevelTokenizer } from "../../../../tools/model/byte-level-tokenizer.ts";
import { readFacts } from "../../../../tools/model/model-facts.ts";
import { DATA, ROOT } from "../test-models.ts";

const REFERENCES = path.join(ROOT, "test/fixtures/tokenizers");

interface References {
  readonly place: "repository" | "data";
  readonly folders: readonly string[];
  /** A chat template of our own, if the tokenizer comes without one. */
  readonly template: string | null;
  readonly texts: readonly string[];
  readonly answer: string;
  readonly edges: readonly string[];
  readonly prompts: Readonly<Record<string, readonly string[]>>;
  readonly chats: Readonly<Record<string, readonly string[]>>;
}

const digest = (ids: readonly number[]): string => createHash("sha256").update(ids.join(",")).digest("hex").slice(0, 32);

const read = (folder: string, name: string): Buffer | undefined =>
  existsSync(path.join(folder, name)) ? readFileSync(path.join(folder, name)) : undefined;

function open(
  folder: string,
  own: string | null,
): { readonly tokenizer: Tokenizer; readonly chat: (messages: readonly ChatMessage[]) => string } {
  const config = read(folder, "tokenizer_config.json");
  const text = (name: string): string | undefined => read(folder, name)?.toString();
  const json = read(folder, "tokenizer.json") ?? byteLevelTokenizer(config?.toString(), text("vocab.json"), text("merges.txt"));
  const none = { genai: undefined, config: undefined, generation: undefined, card: undefined };
  const facts = readFacts({ ...none, tokenizerConfig: config?.toString(), chatTemplate: text("chat_template.jinja") }, { name: "x" });
  const template = readChatTemplate(own ?? facts.chatTemplate ?? "", readSpecialTokens(config));
  return { tokenizer: readTokenizer(json ?? new Uint8Array(), config), chat: (messages) => template.render(messages) };
}

/** Every question's turns, by set and number. */
function readPrompts(): ReadonlyMap<string, readonly string[]> | undefined {
  if (!existsSync(path.join(DATA, "prompts"))) return undefined;
  return new Map(
    ["mt-bench", "vicuna"].flatMap((name) =>
      readFileSync(path.join(DATA, "prompts", `${name}.jsonl`), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
          // FastChat's format.
          const question = JSON.parse(line) as { readonly question_id: number; readonly turns: readonly string[] };
          return [`${name}/${question.question_id}`, question.turns] as const;
        }),
    ),
  );
}

const prompts = readPrompts();

describe.each(readdirSync(REFERENCES).toSorted())("%s", (file) => {
  // The output of our own script.
  const references = JSON.parse(readFileSync(path.join(REFERENCES, file), "utf8")) as References;
  const folder = path.join(references.place === "repository" ? ROOT : DATA, references.folders[0] ?? "");
  const absent = existsSync(folder) ? undefined : `${folder} is not here; set MANYHANDS_DATA to the folder that holds tokenizers/`;

  test("texts that are hard to split", ({ skip }) => {
    if (absent !== undefined) skip(absent);
    const { tokenizer } = open(folder, references.template);
    expect(references.texts.map((text) => digest(tokenizer.encode(text)))).toEqual(references.edges);
  });

  test("all prompts", ({ skip }) => {
    if (absent !== undefined || prompts === undefined) return skip(absent ?? `no prompts at ${DATA}; set MANYHANDS_DATA`);
    const { tokenizer } = open(folder, references.template);
    expect(Object.keys(references.prompts)).toHaveLength(160);
    for (const [name, expected] of Object.entries(references.prompts))
      expect(
        prompts.get(name)?.map((turn) => digest(tokenizer.encode(turn))),
        name,
      ).toEqual(expected);
  });

  if (Object.keys(references.chats).length === 0) return; // a tokenizer without a chat template
  test("all conversations through the chat template", ({ skip }) => {
    if (absent !== undefined || prompts === undefined) return skip(absent ?? `no prompts at ${DATA}; set MANYHANDS_DATA`);
    const { tokenizer, chat } = open(folder, references.template);
    const ids = (messages: readonly ChatMessage[]): string => digest(tokenizer.encode(chat(messages), { bare: true }));
    for (const [name, expected] of Object.entries(references.chats)) {
      const turns = prompts.get(name) ?? [];
      const asked = turns.flatMap((content): ChatMessage[] => [
        { role: "user", content },
        { role: "assistant", content: references.answer },
      ]);
      const first = ids([{ role: "user", content: turns[0] ?? "" }]);
      expect([first, ids([{ role: "system", content: "You are terse." }, ...asked.slice(0, -1)])], name).toEqual(expected);
    }
  });
});
