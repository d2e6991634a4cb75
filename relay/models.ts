// Which models this relay serves: folders with a manifest, from the built page and from `--models`.
import { access, readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { ModelCost } from "../src/credit/price.ts";
import { decodeManifest, MANIFEST_FILE, manifestId } from "../src/model/tiles/manifest.ts";
import { type ModelSummary, summarise } from "../src/model/model-summary.ts";
import { errorMessage, ManyhandsError } from "../src/shared/errors.ts";
import type { ModelId } from "../src/shared/ids.ts";

/** A model's folder on disk, and the name that it has in URLs. */
export interface ModelFolder {
  readonly name: string;
  /** CID of its manifest. */
  readonly id: ModelId;
  readonly summary: ModelSummary;
  /** What its work is worth. */
  readonly cost: ModelCost;
  /** Origin (scheme, host, port) that its weights come from, where that is not this relay. */
  readonly origin: string | undefined;
  readonly path: string;
  /** Comes with the page, so the page's own files serve it. */
  readonly bundled: boolean;
}

/**
 * The operator's list: models of each extra folder, which is a model or holds models, then those of the page
 * (`<site>/models/*`). The first is what a tab takes that has no reason for another. Of two folders with one name, and of
 * two copies of one model, the first wins. A folder that does not exist holds none.
 * Throws MODEL_CORRUPT for a manifest that cannot be read.
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
  const names = await readdir(dir).catch(() => []); // not there, or not a folder: no models
  const paths = names.toSorted((a, b) => a.localeCompare(b)).map((name) => join(dir, name));
  const checks = await Promise.all(paths.map(hasManifest));
  return paths.filter((_, i) => checks[i]);
}

const hasManifest = (dir: string): Promise<boolean> =>
  access(join(dir, MANIFEST_FILE)).then(
    () => true,
    () => false,
  );
