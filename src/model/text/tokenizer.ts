// Turns text into token ids and back. Its decoder shows an answer as it grows, and never half a character.
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { ManyhandsError } from "../../shared/errors.ts";

/** The text that each new token adds. */
export interface TextStream {
  /** Returns the text that can be shown now: empty while a character is incomplete. */
  push(token: number): string;
  /** Returns the text that was held back; an incomplete character becomes U+FFFD. The stream starts anew. */
  flush(): string;
}

export interface Tokenizer {
  /**
   * Returns token ids. Special ones (a leading BOS) are added by the tokenizer's own rules, unless `bare` is set: a
   * rendered chat template has them in its text already.
   */
  encode(text: string, options?: { readonly bare: boolean }): readonly number[];
  /** Returns the text without special tokens. */
  decode(tokens: readonly number[]): string;
  /** Returns a new stream, for one answer. */
  decoder(): TextStream;
}

/**
 * Reads `tokenizer.json` and `tokenizer_config.json` (which may be absent). Throws
 * MODEL_CORRUPT if they are no such files.
 */
export function readTokenizer(tokenizerJson: Uint8Array, configJson: Uint8Array | undefined): Tokenizer {
  try {
    const tokenizer = new HuggingFaceTokenizer(parse(tokenizerJson), configJson === undefined ? {} : parse(configJson));
    const decode = (tokens: readonly number[]): string =>
      // The library refuses an empty list.
      tokens.length === 0 ? "" : tokenizer.decode([...tokens], { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    return {
      encode: (text, options) => tokenizer.encode(text, { add_special_tokens: options?.bare !== true }).ids,
      decode,
      decoder: () => new StreamingDecoder(decode),
    };
  } catch (cause) {
    throw new ManyhandsError("MODEL_CORRUPT", "the model's tokenizer cannot be read", { cause });
  }
}

function parse(json: Uint8Array): object {
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  if (typeof value !== "object" || value === null) throw new TypeError("not a JSON object");
  return value;
}

/** The character that a byte-level decoder gives for bytes that are no whole character. */
const INCOMPLETE = "\uFFFD";
/**
 * A character has at most four bytes, and a token at least one: text that is still broken
 * after so many tokens stays broken.
 */
const MAX_HELD_TOKENS = 4;

/**
 * Decodes a growing list by the difference of two short decodings. One token of context stays in front, because some
 * decoders treat the first token of a text in another way (they strip a space).
 */
class StreamingDecoder implements TextStream {
  readonly #decode: (tokens: readonly number[]) => string;
  /** Tokens of context, whose text was shown, then the tokens that are held back. */
  #tokens: number[] = [];
  #shown = 0;

  constructor(decode: (tokens: readonly number[]) => string) {
    this.#decode = decode;
  }

  push(token: number): string {
    this.#tokens.push(token);
    const text = this.#fresh();
    if (text.endsWith(INCOMPLETE) && this.#tokens.length - this.#shown < MAX_HELD_TOKENS) return "";
    this.#tokens = this.#tokens.slice(this.#shown);
    this.#shown = this.#tokens.length;
    return text;
  }

  flush(): string {
    const text = this.#tokens.length > this.#shown ? this.#fresh() : "";
    this.#tokens = [];
    this.#shown = 0;
    return text;
  }

  /** The text of the tokens that are held back. */
  #fresh(): string {
    const before = this.#decode(this.#tokens.slice(0, this.#shown));
    const all = this.#decode(this.#tokens);
    // Broken bytes in the context may have joined with the bytes after them. Then the new tokens are decoded alone.
    return all.startsWith(before) ? all.slice(before.length) : this.#decode(this.#tokens.slice(this.#shown));
  }
}
