// Models for tests, and where they are: the bundled one, public ones that some machines
// have beside the repository, and small synthetic ones.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { ensureWideModel, type WideModelOptions } from "../../../tools/bench/models/wide-model.ts";

export const ROOT = path.resolve(import.meta.dirname, "../../..");
/** Folder of models, tokenizers and prompts that are too large for the repository. */
export const DATA = process.env["MANYHANDS_DATA"] ?? path.join(ROOT, "../shared/data");

export const BUNDLED = path.join(ROOT, "public/models/tales-2m");
/** Folder of small models, one subfolder for each family, exporter and quantization. */
export const FIXTURES = path.join(ROOT, "test/fixtures/models");

/** The reason that a test gives for skipping. */
export const MISSING = `no public test models at ${path.join(DATA, "models")}; set MANYHANDS_DATA to the folder that holds models/`;

/** Folder of a public test model; undefined if this machine does not have it. */
export function publicModel(name: string): string | undefined {
  const folder = path.join(DATA, "models", name);
  return existsSync(folder) ? folder : undefined;
}

export const SMALL = { layers: 3, width: 32, heads: 2, kvHeads: 1, headSize: 16, feedForward: 64, vocabulary: 300, context: 64 } as const;

/** A small Llama in a folder of its own, and a function that removes it. */
export async function smallModel(
  options: WideModelOptions = {},
): Promise<{ readonly folder: string; readonly remove: () => Promise<void> }> {
  const parent = await mkdtemp(path.join(os.tmpdir(), "manyhands-model-"));
  const folder = await ensureWideModel({ ...SMALL, ...options, folder: path.join(parent, "small") });
  return { folder, remove: () => rm(parent, { recursive: true, force: true }) };
}
