// Which models this relay serves: folders with a manifest, from the built page and from `--models`.
import { access, readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { ModelCost } from "../src/credit/price.ts";
import { decodeManifest, MANIFEST_FILE, manifestId } from "../src/model/tiles/manifest.ts";
import { type ModelSummary, summarise } from "../src/model/model-summary.ts";
import { errorMessage, ManyhandsError } from "../src/shared/errors.ts";
import type { ModelId } from "../src/shared/ids.ts";

/** A model's folder on disk. */
export interface ModelFolder {
  /** The folder's name, which URLs use as well. */
  readonly name: string;
  /** CID of the manifest. */
  readonly id: ModelId;
  readonly summary: ModelSummary;
  /** The prices of its layers follow from this. */
  readonly cost: ModelCost;
  /** Origin (scheme, host, port) of its weights. Undefined if the relay serves them itself. */
  readonly origin: string | undefined;
  readonly path: string;
  /** Whether the model is a part of the page, so that it is served with the page's files. */
  readonly bundled: boolean;
}

/**
 * Returns the operator's list: the models of each extra folder, which is a model or contains models, then those of the
 * page (`<site>/models/*`). A tab that has no reason for another model uses the first. Of two folders with one name,
 * and of two copies of one model, the first wins. A folder that does not exist contains none. Throws MODEL_CORRUPT for
 * a manifest that cannot be read.
 */
export async function findModels(siteDir: string, extraDirs: readonly string[]): Promise<readonly ModelFolder[]> {
  const found = new Map<string, ModelFolder>();
  const add = async (path: string, bundled: boolean): Promise<void> => {
    const name = basename(path);
    if (found.has(name)) return;
    const bytes = new Uint8Array(await readFile(join(path, MANIFEST_FILE)));
    const id = await manifestId(bytes);
    if ([...found.values()].some((folder) => folder.id === id)) return;
    found.set(name, { name, path, bundled, id, ...readFacts(bytes, path) });
  };
  for (const dir of extraDirs) {
    const path = resolve(dir);
    for (const folder of (await hasManifest(path)) ? [path] : await modelsUnder(path)) await add(folder, false);
  }
  for (const path of await modelsUnder(resolve(siteDir, "models"))) await add(path, true);
  return [...found.values()];
}

function readFacts(bytes: Uint8Array, path: string): Pick<ModelFolder, "summary" | "cost" | "origin"> {
  try {
    const manifest = decodeManifest(bytes);
    const { layerCost, headCost } = manifest;
    return {
      summary: summarise(manifest),
      cost: { layerCost, headCost },
      origin: manifest.origin ? new URL(manifest.origin.url).origin : undefined,
    };
  } catch (cause) {
    throw new ManyhandsError("MODEL_CORRUPT", `${path}: ${errorMessage(cause)}`, { cause });
  }
}

async function modelsUnder(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch(() => []); // it does not exist, or it is not a folder
  const paths = names.toSorted((a, b) => a.localeCompare(b)).map((name) => join(dir, name));
  const checks = await Promise.all(paths.map(hasManifest));
  return paths.filter((_, i) => checks[i]);
}

const hasManifest = (dir: string): Promise<boolean> =>
  access(join(dir, MANIFEST_FILE)).then(
    () => true,
    () => false,
  );
