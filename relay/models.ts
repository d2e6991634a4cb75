// Which models this relay serves: folders with a manifest, from the built page and from `--models`.
import { access, readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

export const MANIFEST_FILE = "manifest.cbor";

/** A model's folder on disk, and the name that it has in URLs. */
export interface ModelFolder {
  readonly name: string;
  readonly path: string;
  /** Comes with the page, so the page's own files serve it. */
  readonly bundled: boolean;
}

/**
 * Models of the page (`<site>/models/*`) and of each extra folder, which is a model or holds models. The first of two
 * folders with one name wins. A folder that does not exist holds none.
 */
export async function findModels(siteDir: string, extraDirs: readonly string[]): Promise<readonly ModelFolder[]> {
  const found = new Map<string, ModelFolder>();
  const add = (path: string, bundled: boolean): void => {
    const name = basename(path);
    if (!found.has(name)) found.set(name, { name, path, bundled });
  };
  for (const path of await modelsUnder(resolve(siteDir, "models"))) add(path, true);
  for (const dir of extraDirs) {
    const path = resolve(dir);
    if (await hasManifest(path)) add(path, false);
    else for (const child of await modelsUnder(path)) add(child, false);
  }
  return [...found.values()];
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
