// The test bed of benches in real tabs: one browser and one scratch folder, both removed at the end, however the bench
// ends.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Browser } from "playwright-core";
import { MANIFEST_FILE } from "../../../src/model/tiles/manifest.ts";
import { launchBrowser } from "../../browser/tabs.ts";
import { ensureWideModel } from "../models/wide-model.ts";

export interface BenchBed {
  readonly browser: Browser;
  /** Returns the path of a folder of this name in the scratch folder, for the data of one relay. */
  readonly folder: (name: string) => string;
}

/** Runs `work` on a bed of its own. `flags` are for the browser, beside the usual ones. */
export async function onBed<T>(flags: readonly string[], work: (bed: BenchBed) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
  const browser = await launchBrowser(flags);
  try {
    return await work({ browser, folder: (name) => path.join(scratch, name) });
  } finally {
    await browser.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Resolves with the folders for a relay's `models`: none for `bundled`, the synthetic model for `wide`, the synthetic
 * model that repeats its prompts for `copying`, else `name` itself. Throws if that is no model folder.
 */
export async function modelFolders(name: string): Promise<readonly string[]> {
  if (name === "bundled") return [];
  if (name === "wide") return [await ensureWideModel()];
  if (name === "copying") return [await ensureWideModel({ copies: true })];
  if (existsSync(path.join(name, MANIFEST_FILE))) return [path.resolve(name)];
  throw new Error("--model must be bundled, wide, copying or a model folder");
}

/** Returns the whole number in `text`. Throws if it is none, or less than `least`; the message names the flag. */
export function wholeNumber(flag: string, text: string, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${flag} must be a whole number from ${least}`);
  return value;
}

export const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
