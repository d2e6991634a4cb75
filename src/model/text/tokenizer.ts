// Text to token ids and back, and a decoder that shows an answer as it grows without ever showing half a character.
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { ManyhandsError } from "../../shared/errors.ts";

/** The text that each new token adds. */
export interface TextStream {
  /** What can be shown now: empty while a character is incomplete. */
  push(token: number): string;
  /** What was held back; an incomplete character becomes U+FFFD. The stream starts anew. */
  flush(): string;
}

export interface Tokenizer {
  /**
   * Token ids. Special ones (a leading BOS) are added as the tokenizer's own rules say, unless `bare`: a rendered chat
   * template has them in its text already.
   */
  encode(text: string, options?: { readonly bare: boolean }): readonly number[];
  /** Text without special tokens. */
  decode(tokens: readonly number[]): string;
  /** A stream of its own for one answer. */
  decoder(): TextStream;
}

/** Reads `tokenizer.json` and `tokenizer_config.json` (may be absent). Throws MODEL_CORRUPT where they are no such files. */
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

/** What a byte-level decoder gives for bytes that are no whole character. */
const INCOMPLETE = "\uFFFD";
/** A character is at most four bytes, a token at least one: what is still broken after so many tokens stays broken. */
const MAX_HELD_TOKENS = 4;

/**
 * Decodes a growing list by the difference of two short decodings. One token of context stays in front, because some
 * decoders treat the first token of a text otherwise (a space is stripped).
 */
class StreamingDecoder implements TextStream {
  readonly #decode: (tokens: readonly number[]) => string;
  /** Shown tokens of context, then those held back. */
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

  /** The text of the tokens held back. */
  #fresh(): string {
    const before = this.#decode(this.#tokens.slice(0, this.#shown));
    const all = this.#decode(this.#tokens);
    // Broken bytes in the context may have joined what follows them: then the new tokens stand for themselves.
    return all.startsWith(before) ? all.slice(before.length) : this.#decode(this.#tokens.slice(this.#shown));
  }
}
