// Finds the files of a model that a person names by a hub id, a folder, a file or an address, and which of them is the
// model.
import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { ManyhandsError } from "../../src/shared/errors.ts";
import { HttpFiles, type HttpPlace } from "./http-files.ts";
import { FACT_FILES, namedModelFile } from "./model-facts.ts";
import { FolderFiles, type ModelFiles } from "./model-files.ts";

export const DEFAULT_HUB = "https://huggingface.co";

const HUB_ID = /^[\w.-]+\/[\w.-]+$/;

/**
 * Order of preference if a source has several files and none was chosen: small and exact ones first. Dynamic int8 comes
 * last, because a row's result then depends on the other rows of its step, and peers cannot check each other.
 */
const PREFERRED = ["model_q4", "model_q4f16", "model_fp16", "model", "decoder_model_merged", "model_quantized", "model_int8"];

export interface SourceOptions {
  /** Hub id, folder, ONNX file, or URL of any of them. */
  readonly target: string;
  readonly hub: string;
  readonly revision: string | undefined;
  readonly file: string | undefined;
}

export interface ModelSource {
  readonly files: ModelFiles;
  /** The ONNX file, relative to the source. */
  readonly file: string;
  /** Other ONNX files of the source. */
  readonly others: readonly string[];
  /** The model's name, unless a person gives another. */
  readonly name: string;
  /** The model's source for the manifest. */
  readonly source: string | undefined;
  /** The folder of the ONNX file, if it is on this machine. */
  readonly folder: string | undefined;
}

/** Throws BAD_INPUT if `target` makes no sense, MODEL_UNAVAILABLE if it cannot be reached or has no ONNX file. */
export async function findSource(options: SourceOptions): Promise<ModelSource> {
  const { target } = options;
  if (existsSync(target)) return findInFolder(target, options.file);
  if (/^https?:\/\//.test(target)) return findAtUrl(options);
  if (!HUB_ID.test(target))
    throw new ManyhandsError(
      "BAD_INPUT",
      `"${target}" is not a folder here, an address or a hub id. A hub id is written organisation/name.`,
    );
  return findOnHub(target, options);
}

async function findInFolder(target: string, chosen: string | undefined): Promise<ModelSource> {
  const isFile = statSync(target).isFile();
  const root = isFile ? path.dirname(target) : target;
  const files = new FolderFiles(root);
  const found = isFile ? [] : (await readdir(root, { recursive: true })).map((name) => name.split(path.sep).join("/"));
  const wanted = isFile ? path.basename(target) : chosen;
  const { file, others } = await choose(files, wanted, found.filter(isOnnx), `The folder ${root}`);
  return {
    files,
    file,
    others,
    name: path.basename(path.resolve(root)),
    source: undefined,
    folder: path.join(root, path.posix.dirname(file)),
  };
}

async function findAtUrl(options: SourceOptions): Promise<ModelSource> {
  const url = new URL(options.target);
  const hub = new URL(options.hub);
  const [organisation, name, verb, revision, ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
  if (url.host === hub.host && organisation && name) {
    const ofFile = (verb === "resolve" || verb === "blob" || verb === "tree") && revision !== undefined;
    const file = rest.join("/");
    return findOnHub(`${organisation}/${name}`, {
      ...options,
      revision: options.revision ?? (ofFile ? revision : undefined),
      file: options.file ?? (file.endsWith(".onnx") ? file : undefined),
    });
  }
  const isFile = url.pathname.endsWith(".onnx");
  const folder = isFile ? new URL(".", url) : new URL(url.pathname.endsWith("/") ? url : `${url.href}/`);
  const files = new HttpFiles({ url: folder.href, repository: null, revision: null, listing: undefined });
  const chosen = isFile ? decodeURIComponent(url.pathname.split("/").at(-1) ?? "") : options.file;
  const { file } = await choose(files, chosen, [], folder.href);
  return { files, file, others: [], name: folder.pathname.split("/").at(-2) || folder.host, source: folder.href, folder: undefined };
}

async function findOnHub(repository: string, options: SourceOptions): Promise<ModelSource> {
  const hub = options.hub.replace(/\/$/, "");
  const revision = options.revision ?? "main";
  const place: HttpPlace = {
    url: `${hub}/${repository}/resolve/${encodeURIComponent(revision)}/`,
    repository,
    revision,
    listing: `${hub}/api/models/${repository}/revision/${encodeURIComponent(revision)}`,
  };
  const files = new HttpFiles(place);
  const listed = ((await files.list()) ?? []).filter(isOnnx);
  const { file, others } = await choose(files, options.file, listed, `"${repository}" at ${new URL(hub).host}`);
  return { files, file, others, name: repository.split("/")[1] ?? repository, source: `${hub}/${repository}`, folder: undefined };
}

const isOnnx = (name: string): boolean => name.endsWith(".onnx") && !name.split("/").some((part) => part.startsWith("."));

async function choose(
  files: ModelFiles,
  chosen: string | undefined,
  listed: readonly string[],
  where: string,
): Promise<{ readonly file: string; readonly others: readonly string[] }> {
  if (chosen !== undefined) return { file: chosen, others: [] };
  const genai = await files.read(FACT_FILES.genai);
  const named = genai && namedModelFile(new TextDecoder().decode(genai));
  if (named !== undefined) return { file: named, others: [] };
  const preferred = PREFERRED.flatMap((name) => [`onnx/${name}.onnx`, `${name}.onnx`]);
  const found = preferred.find((name) => listed.includes(name)) ?? listed[0];
  if (found !== undefined) return { file: found, others: listed.filter((name) => name !== found) };
  const tried = await firstThatExists(files, preferred);
  if (tried !== undefined) return { file: tried, others: [] };
  throw new ManyhandsError(
    "MODEL_UNAVAILABLE",
    `${where} has no ONNX file. Use a repository with an ONNX export (many are under onnx-community/), or name the file with --file.`,
  );
}

/** Tries to read the beginning of one file after the other, for sources that do not list their files. */
async function firstThatExists(files: ModelFiles, names: readonly string[]): Promise<string | undefined> {
  if (files instanceof FolderFiles) return undefined;
  for (const name of names) {
    try {
      for await (const _chunk of files.stream(name)) return name;
    } catch (error) {
      if (!(error instanceof ManyhandsError) || !/does not exist|has no file/.test(error.message)) throw error;
    }
  }
  return undefined;
}
