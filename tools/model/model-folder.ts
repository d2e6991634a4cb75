// A model's folder on disk: finds its files, reads its configurations, and serves its bytes as a tile source.
import { existsSync } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { buildManifest, type BuiltManifest, type FileBytes, type ModelFacts } from "../../src/model/build-manifest.ts";
import type { TileRange, TileRead, TileSource } from "../../src/model/tiles/tile-source.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import { FACT_FILES, namedModelFile, readFacts } from "./model-facts.ts";

const textOf = async (file: string): Promise<string | undefined> => (existsSync(file) ? readFile(file, "utf8") : undefined);

/**
 * Resolves with the ONNX file of a folder: the one that genai_config.json names, else the only one. Throws BAD_INPUT if
 * there is none or more than one.
 */
export async function findModelFile(folder: string): Promise<string> {
  const named = namedModelFile(await textOf(path.join(folder, FACT_FILES.genai)));
  if (named !== undefined) return named;
  const files = (await readdir(folder)).filter((name) => name.endsWith(".onnx"));
  const [only] = files;
  if (only === undefined || files.length > 1)
    throw new ManyhandsError("BAD_INPUT", `${folder} has ${files.length} ONNX files; it needs one, or a genai_config.json that names it`);
  return only;
}

/** Reads the configurations and the first lines of the model card. `given` takes precedence. */
export async function readFolderFacts(folder: string, given: Partial<ModelFacts> = {}): Promise<ModelFacts> {
  const [genai, config, generation, tokenizerConfig, chatTemplate, card] = await Promise.all(
    [FACT_FILES.genai, FACT_FILES.config, FACT_FILES.generation, FACT_FILES.tokenizerConfig, FACT_FILES.chatTemplate, FACT_FILES.card].map(
      (name) => textOf(path.join(folder, name)),
    ),
  );
  return readFacts(
    { genai, config, generation, tokenizerConfig, chatTemplate, card },
    { ...given, name: given.name ?? path.basename(path.resolve(folder)) },
  );
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
    facts: await readFolderFacts(folder, given),
    model: await whole(await findModelFile(folder)),
    tokenizer: await optional("tokenizer.json"),
    tokenizerConfig: await optional("tokenizer_config.json"),
    fileSize: async (name) => (await stat(path.join(folder, name))).size,
    read: (name, offset, length) => readRange(path.join(folder, name), offset, length),
  });
}

/** Reads a range of a file; returns fewer bytes if the file ends before. */
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

/** Reads tiles from the files of a folder. */
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
