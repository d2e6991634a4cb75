// A model's folder on disk: finds its files, reads what its configurations say, and serves its bytes as a tile source.
import { existsSync } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { buildManifest, type BuiltManifest, type FileBytes, type ModelFacts } from "../../src/model/build-manifest.ts";
import type { TileRange, TileRead, TileSource } from "../../src/model/tile-source.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";

/** What a folder without configurations is taken for. */
const FALLBACK_CONTEXT_LENGTH = 512;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

async function readJson(file: string): Promise<Record<string, unknown>> {
  if (!existsSync(file)) return {};
  const value: unknown = JSON.parse(await readFile(file, "utf8"));
  return isRecord(value) ? value : {};
}

/** The ONNX file of a folder: the one that genai_config.json names, else the only one there. Throws BAD_INPUT. */
export async function findModelFile(folder: string): Promise<string> {
  const { model } = await readJson(path.join(folder, "genai_config.json"));
  const decoder = isRecord(model) && isRecord(model["decoder"]) ? model["decoder"] : {};
  if (typeof decoder["filename"] === "string") return decoder["filename"];
  const files = (await readdir(folder)).filter((name) => name.endsWith(".onnx"));
  const [only] = files;
  if (only === undefined || files.length > 1)
    throw new ManyhandsError("BAD_INPUT", `${folder} has ${files.length} ONNX files; it needs one, or a genai_config.json that names it`);
  return only;
}

/** What the configurations, and the first lines of the model card, say; `given` wins. */
export async function readFacts(folder: string, given: Partial<ModelFacts> = {}): Promise<ModelFacts> {
  const config = await readJson(path.join(folder, "genai_config.json"));
  const model = isRecord(config["model"]) ? config["model"] : {};
  const tokenizer = await readJson(path.join(folder, "tokenizer_config.json"));
  const card = existsSync(path.join(folder, "README.md")) ? await readFile(path.join(folder, "README.md"), "utf8") : "";
  const cardSays = (key: string): string | undefined =>
    new RegExp(`^${key}:\\s*(.+)$`, "m").exec(/^---\n([\s\S]*?)\n---/.exec(card)?.[1] ?? "")?.[1]?.trim();
  const wholeNumber = (value: unknown): number | undefined =>
    typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
  const eos = Array.isArray(model["eos_token_id"]) ? model["eos_token_id"] : [model["eos_token_id"]];
  return {
    name: given.name ?? path.basename(path.resolve(folder)),
    licence: given.licence ?? cardSays("license") ?? "not stated",
    source: given.source ?? cardSays("source") ?? "not stated",
    contextLength:
      given.contextLength ?? wholeNumber(model["context_length"]) ?? wholeNumber(tokenizer["model_max_length"]) ?? FALLBACK_CONTEXT_LENGTH,
    bosToken: given.bosToken ?? wholeNumber(model["bos_token_id"]) ?? null,
    eosTokens: given.eosTokens ?? eos.map(wholeNumber).filter((token) => token !== undefined),
  };
}

/** Builds the manifest of a folder. Throws as buildManifest does. */
export async function manifestOfFolder(folder: string, given: Partial<ModelFacts> = {}): Promise<BuiltManifest> {
  const whole = async (name: string): Promise<FileBytes> => ({
    path: name,
    bytes: new Uint8Array(await readFile(path.join(folder, name))),
  });
  const optional = (name: string): Promise<FileBytes | undefined> =>
    existsSync(path.join(folder, name)) ? whole(name) : Promise.resolve(undefined);
  return buildManifest({
    facts: await readFacts(folder, given),
    model: await whole(await findModelFile(folder)),
    tokenizer: await optional("tokenizer.json"),
    tokenizerConfig: await optional("tokenizer_config.json"),
    fileSize: async (name) => (await stat(path.join(folder, name))).size,
    read: (name, offset, length) => readRange(path.join(folder, name), offset, length),
  });
}

/** A range of a file; fewer bytes where the file ends before. */
async function readRange(file: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await open(file);
  try {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await handle.read(bytes, 0, length, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Tiles straight from a folder. */
export class FolderTileSource implements TileSource {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async *read(ranges: readonly TileRange[], signal: AbortSignal): AsyncGenerator<TileRead> {
    for (const [index, range] of ranges.entries()) {
      signal.throwIfAborted();
      const bytes = await readRange(path.join(this.#folder, range.file), range.offset, range.length);
      if (bytes.byteLength < range.length) throw new ManyhandsError("MODEL_CORRUPT", `"${range.file}" is cut short`);
      yield { index, bytes };
    }
  }
}
