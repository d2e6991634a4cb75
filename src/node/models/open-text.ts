// The text side of a model: tokenizer, chat template and the tokens that end an answer.
import type { ChatTemplate } from "../../model/text/chat-message.ts";
import type { Manifest } from "../../model/tiles/manifest.ts";
import { readTokenizer, type Tokenizer } from "../../model/text/tokenizer.ts";
import { ManyhandsError } from "../../shared/errors.ts";

export interface ModelText {
  readonly tokenizer: Tokenizer;
  /** Undefined for a model that can only continue a text. */
  readonly chat: ChatTemplate | undefined;
  readonly stopTokens: ReadonlySet<number>;
}

/** Throws MODEL_UNAVAILABLE if there is no tokenizer, MODEL_CORRUPT if the tokenizer or the template cannot be read. */
export async function openText(
  manifest: Pick<Manifest, "name" | "chatTemplate" | "eosTokens">,
  files: { readonly tokenizer: Uint8Array | undefined; readonly tokenizerConfig: Uint8Array | undefined },
): Promise<ModelText> {
  if (!files.tokenizer)
    throw new ManyhandsError("MODEL_UNAVAILABLE", `The model "${manifest.name}" comes without a tokenizer.json, so it cannot read text.`);
  const tokenizer = readTokenizer(files.tokenizer, files.tokenizerConfig);
  const stopTokens = new Set(manifest.eosTokens);
  if (manifest.chatTemplate === null) return { tokenizer, chat: undefined, stopTokens };
  // Loaded here, since many models have no template, and a page that only lends needs none.
  const { readChatTemplate, readSpecialTokens } = await import("../../model/text/chat-template.ts");
  const special = readSpecialTokens(files.tokenizerConfig);
  // Often only this file names the token that ends a turn; the model's configuration names the one that ends a text.
  const ends = special["eos_token"] === undefined ? [] : tokenizer.encode(special["eos_token"], { bare: true });
  if (ends.length === 1) for (const token of ends) stopTokens.add(token);
  return { tokenizer, chat: readChatTemplate(manifest.chatTemplate, special), stopTokens };
}
