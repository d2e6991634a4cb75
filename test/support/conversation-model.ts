// The bundled model as one for conversations: the same weights, and a chat template of the test's own.
import { cp, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { ModelId } from "../../src/shared/ids.ts";
import { makeManifest } from "../../tools/model/make-manifest.ts";

const BUNDLED = new URL("../../public/models/tales-2m/", import.meta.url);

/** Puts all turns into one line, one after the other, as in the model's stories. */
const TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message.content | trim }} {% endfor %}";

/** Returns the prompt that the template makes of a conversation, without its first token. */
export const promptOf = (...contents: readonly string[]): string => contents.map((content) => `${content.trim()} `).join("");

/** Makes the model's folder in `parent`, and resolves with it and the model's id. */
export async function makeConversationModel(
  parent: string,
  name = "tales-conversation",
): Promise<{ readonly folder: string; readonly id: ModelId }> {
  const folder = path.join(parent, name);
  await cp(BUNDLED, folder, { recursive: true });
  const file = path.join(folder, "tokenizer_config.json");
  const config: unknown = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...(config as object), chat_template: TEMPLATE })); // our own file: an object
  return { folder, id: await makeManifest(folder, { name, licence: "MIT" }) };
}
