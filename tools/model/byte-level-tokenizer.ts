// Makes a tokenizer.json from the older pair vocab.json and merges.txt, for the two families of byte-level BPE that use
// it.

/**
 * How each family splits a text before it merges bytes. Sources: tokenization_qwen2.py and tokenization_gpt2.py of
 * transformers.
 */
const FAMILIES: Readonly<Record<string, { readonly pattern: string | undefined; readonly normalizer: string | undefined }>> = {
  Qwen2Tokenizer: {
    pattern:
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    normalizer: "NFC",
  },
  GPT2Tokenizer: { pattern: undefined, normalizer: undefined },
};

interface AddedToken {
  readonly content: string;
  readonly special?: boolean;
}

/**
 * Returns the bytes of a tokenizer.json; undefined if a file is missing, or if the pair belongs to another family,
 * because the pair does not contain the family's rules. `config` is the text of tokenizer_config.json.
 */
export function byteLevelTokenizer(
  config: string | undefined,
  vocabulary: string | undefined,
  merges: string | undefined,
): Uint8Array<ArrayBuffer> | undefined {
  if (config === undefined || vocabulary === undefined || merges === undefined) return undefined;
  const {
    tokenizer_class: named = "",
    added_tokens_decoder: added = {},
    add_prefix_space: prefix = false,
  } = JSON.parse(config) as {
    // The fields that transformers writes. A missing field has transformers' default.
    readonly tokenizer_class?: string;
    readonly added_tokens_decoder?: Readonly<Record<string, AddedToken>>;
    readonly add_prefix_space?: boolean;
  };
  const family = FAMILIES[named.replace(/Fast$/, "")];
  if (family === undefined) return undefined;
  const byteLevel = { type: "ByteLevel", add_prefix_space: prefix, trim_offsets: false, use_regex: family.pattern === undefined };
  return new TextEncoder().encode(
    JSON.stringify({
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: Object.entries(added).map(([id, token]) => ({
        id: Number(id),
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
        ...token,
      })),
      normalizer: family.normalizer === undefined ? null : { type: family.normalizer },
      pre_tokenizer:
        family.pattern === undefined
          ? byteLevel
          : {
              type: "Sequence",
              pretokenizers: [{ type: "Split", pattern: { Regex: family.pattern }, behavior: "Isolated", invert: false }, byteLevel],
            },
      post_processor: { ...byteLevel, add_prefix_space: true, use_regex: true },
      decoder: { ...byteLevel, add_prefix_space: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: "",
        end_of_word_suffix: "",
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: JSON.parse(vocabulary) as unknown,
        merges: merges.split("\n").filter((line) => line !== "" && !line.startsWith("#version")),
      },
    }),
  );
}
