// Reads what a model's small files say of it: configurations, chat template and model card, as on the hub and by
// onnxruntime-genai.
import type { ModelFacts } from "../../src/model/build-manifest.ts";

/** The texts of a model's small files; undefined for a file that does not exist. */
export interface FactFiles {
  /** `genai_config.json` */
  readonly genai: string | undefined;
  /** `config.json` */
  readonly config: string | undefined;
  /** `generation_config.json` */
  readonly generation: string | undefined;
  /** `tokenizer_config.json` */
  readonly tokenizerConfig: string | undefined;
  /** `chat_template.jinja`, if the template has a file of its own. */
  readonly chatTemplate: string | undefined;
  /** `README.md` */
  readonly card: string | undefined;
}

/** The names of these files in a folder. */
export const FACT_FILES: Readonly<Record<keyof FactFiles, string>> = {
  genai: "genai_config.json",
  config: "config.json",
  generation: "generation_config.json",
  tokenizerConfig: "tokenizer_config.json",
  chatTemplate: "chat_template.jinja",
  card: "README.md",
};

/** The context length of a model without configurations. */
const FALLBACK_CONTEXT_LENGTH = 512;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** Returns a JSON object; an empty one for any other text. */
export function readJson(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  const value: unknown = JSON.parse(text);
  return isRecord(value) ? value : {};
}

/** Returns the ONNX file that `genai_config.json` names. */
export function namedModelFile(genai: string | undefined): string | undefined {
  const { model } = readJson(genai);
  const decoder = isRecord(model) && isRecord(model["decoder"]) ? model["decoder"] : {};
  return typeof decoder["filename"] === "string" ? decoder["filename"] : undefined;
}

const wholeNumber = (value: unknown): number | undefined => (typeof value === "number" && Number.isSafeInteger(value) ? value : undefined);

/** Reads one token or several. */
function tokens(value: unknown): number[] | undefined {
  const list = (Array.isArray(value) ? value : [value]).map(wholeNumber).filter((token) => token !== undefined);
  return list.length > 0 ? list : undefined;
}

/** `given` takes precedence, then what the exporter wrote for running the model, then what the model's author wrote. */
export function readFacts(files: FactFiles, given: Partial<ModelFacts> & Pick<ModelFacts, "name">): ModelFacts {
  const genai = readJson(files.genai)["model"];
  const exported = isRecord(genai) ? genai : {};
  const config = readJson(files.config);
  const generation = readJson(files.generation);
  const tokenizer = readJson(files.tokenizerConfig);
  const [cardLicence, cardSource] = ["license", "source"].map((key) =>
    new RegExp(`^${key}:\\s*(.+)$`, "m").exec(/^---\n([\s\S]*?)\n---/.exec(files.card ?? "")?.[1] ?? "")?.[1]?.trim(),
  );
  return {
    name: given.name,
    licence: given.licence ?? cardLicence ?? "not stated",
    source: given.source ?? cardSource ?? "not stated",
    origin: given.origin ?? null,
    contextLength:
      given.contextLength ??
      wholeNumber(exported["context_length"]) ??
      wholeNumber(config["max_position_embeddings"]) ??
      wholeNumber(config["n_positions"]) ??
      wholeNumber(tokenizer["model_max_length"]) ??
      FALLBACK_CONTEXT_LENGTH,
    bosToken:
      given.bosToken ??
      wholeNumber(exported["bos_token_id"]) ??
      wholeNumber(generation["bos_token_id"]) ??
      wholeNumber(config["bos_token_id"]) ??
      null,
    eosTokens:
      given.eosTokens ?? tokens(exported["eos_token_id"]) ?? tokens(generation["eos_token_id"]) ?? tokens(config["eos_token_id"]) ?? [],
    chatTemplate: given.chatTemplate ?? files.chatTemplate ?? templateOf(tokenizer["chat_template"]) ?? null,
  };
}

/** Returns a template, or of a list of them the one called `default`, else the first. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.filter(isRecord).filter((entry) => typeof entry["template"] === "string");
  const found = named.find((entry) => entry["name"] === "default") ?? named[0];
  return found?.["template"] as string | undefined; // only entries with a string are in the list
}
