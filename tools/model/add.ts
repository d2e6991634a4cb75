// `npm run model -- add`: reads a model's files once, hashes their tiles on the way, and writes what a relay serves.
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { finished } from "node:stream/promises";
import {
  assembleManifest,
  type BuiltManifest,
  checkPaths,
  checkRanges,
  type FileBytes,
  type ModelFacts,
  skeletonFile,
} from "../../src/model/build-manifest.ts";
import { MANIFEST_FILE } from "../../src/model/tiles/manifest.ts";
import { bytesEqual } from "../../src/shared/bytes.ts";
import { byteLevelTokenizer } from "./byte-level-tokenizer.ts";
import type { ModelSource } from "./find-source.ts";
import { FACT_FILES, readFacts } from "./model-facts.ts";
import { splitOnnx } from "./split-onnx.ts";
import { hashRanges } from "./tile-hasher.ts";

export interface AddOptions {
  readonly source: ModelSource;
  /** Folder to write to. */
  readonly to: string;
  /** Whether the weights are written there too, so that the relay serves them itself. */
  readonly keepWeights: boolean;
  readonly given: Partial<ModelFacts>;
  /** Called for every chunk with the file's name and the bytes of it that were read so far. */
  readonly onProgress: (file: string, bytes: number) => void;
}

/**
 * Adds a model. Throws BAD_INPUT, MODEL_CORRUPT, MODEL_UNAVAILABLE or MODEL_UNSUPPORTED; nothing that a relay would
 * serve is written then.
 */
export async function addModel(options: AddOptions): Promise<BuiltManifest> {
  const { source, to } = options;
  const inFolder = path.posix.dirname(source.file);
  const name = path.posix.basename(source.file);
  const beside = (file: string): string => (inFolder === "." ? file : `${inFolder}/${file}`);
  const stored = new Set<string>();
  /** Reads a file once. If the weights are wanted, its bytes are written to `to` on the way. */
  const stream = (file: string): AsyncIterable<Uint8Array> => {
    const counted = count(source.files.stream(beside(file)), (bytes) => options.onProgress(file, bytes));
    if (!options.keepWeights || isSameFolder(source.folder, to)) return counted;
    stored.add(file);
    return keep(counted, partial(to, file));
  };
  const split = await splitOnnx(stream(name), name);
  const paths = [...new Set(split.weights.map((weight) => weight.source.file))];
  checkPaths(split.weights);
  const dataFiles: { path: string; size: number }[] = [];
  const tiles = new Map<(typeof split.weights)[number], readonly Uint8Array<ArrayBuffer>[]>();
  const graph = skeletonFile(name, split.skeleton, split.isRewritten);
  // This refuses a graph that cannot be cut before its weights are fetched.
  const parts = { graph, ...(await smallFiles(source, options.given)), weights: split.weights };
  await assembleManifest({ ...parts, tiles: [], dataFiles: paths.map((file) => ({ path: file, size: 1 })) });
  for (const file of paths) {
    const weights = split.weights.filter((weight) => weight.source.file === file);
    if (file === name) {
      dataFiles.push({ path: file, size: split.size });
      for (const weight of weights) tiles.set(weight, split.tiles.get(weight.source.offset) ?? []);
      continue;
    }
    const hashed = await hashRanges(
      stream(file),
      weights.map((weight) => weight.source),
    );
    dataFiles.push({ path: file, size: hashed.size });
    weights.forEach((weight, index) => tiles.set(weight, hashed.tiles[index] ?? []));
  }
  checkRanges(split.weights, dataFiles);
  const built = await assembleManifest({ ...parts, tiles: split.weights.map((weight) => tiles.get(weight) ?? []), dataFiles });
  for (const file of stored) if (file !== name || split.isRewritten) await rename(partial(to, file), path.join(to, file));
  for (const file of [built.graph, parts.tokenizer, parts.tokenizerConfig])
    if (file) await writeIfChanged(path.join(to, file.path), file.bytes);
  await writeIfChanged(path.join(to, MANIFEST_FILE), built.bytes); // last: a folder with a manifest is whole
  return built;
}

/**
 * Reads what is known of the model beside its weights. Files beside the ONNX file take precedence over those at the
 * source's root.
 */
async function smallFiles(
  { files, file, name, source }: ModelSource,
  given: Partial<ModelFacts>,
): Promise<{ readonly facts: ModelFacts; readonly tokenizer: FileBytes | undefined; readonly tokenizerConfig: FileBytes | undefined }> {
  const folder = path.posix.dirname(file);
  const read = async (small: string): Promise<Uint8Array<ArrayBuffer> | undefined> =>
    (folder === "." ? undefined : await files.read(`${folder}/${small}`)) ?? (await files.read(small));
  const text = async (small: string): Promise<string | undefined> => {
    const bytes = await read(small);
    return bytes && new TextDecoder().decode(bytes);
  };
  const [genai, config, generation, chatTemplate, card] = await Promise.all([
    text(FACT_FILES.genai),
    text(FACT_FILES.config),
    text(FACT_FILES.generation),
    text(FACT_FILES.chatTemplate),
    text(FACT_FILES.card),
  ]);
  const configBytes = await read(FACT_FILES.tokenizerConfig);
  const tokenizerConfig = configBytes && new TextDecoder().decode(configBytes);
  const tokenizer =
    (await read("tokenizer.json")) ?? byteLevelTokenizer(tokenizerConfig, await text("vocab.json"), await text("merges.txt"));
  const facts = readFacts(
    { genai, config, generation, tokenizerConfig, chatTemplate, card },
    { ...given, name: given.name ?? name, ...(source !== undefined && { source }), origin: files.origin(file) },
  );
  return {
    facts,
    tokenizer: tokenizer && { path: "tokenizer.json", bytes: tokenizer },
    tokenizerConfig: configBytes && { path: FACT_FILES.tokenizerConfig, bytes: configBytes },
  };
}

async function* count(stream: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.byteLength;
    onBytes(bytes);
    yield chunk;
  }
}

/** Writes a stream to `file` as it passes, no faster than the disk accepts it. */
async function* keep(stream: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<Uint8Array> {
  await mkdir(path.dirname(file), { recursive: true });
  const output = createWriteStream(file);
  for await (const chunk of stream) {
    await new Promise<void>((resolve, reject) => output.write(chunk, (error) => (error ? reject(error) : resolve())));
    yield chunk;
  }
  output.end();
  await finished(output);
}

const partial = (to: string, file: string): string => path.join(to, `${file}.part`);

const isSameFolder = (a: string | undefined, b: string): boolean => a !== undefined && path.resolve(a) === path.resolve(b);

async function writeIfChanged(file: string, bytes: Uint8Array): Promise<void> {
  if (existsSync(file) && bytesEqual(new Uint8Array(await readFile(file)), bytes)) return;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, bytes);
}
