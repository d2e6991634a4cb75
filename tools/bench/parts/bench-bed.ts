// What benches in real tabs stand on: one browser, a scratch folder, and both gone at the end whatever happens.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Browser } from "playwright-core";
import { MANIFEST_FILE } from "../../../src/model/fetch-model.ts";
import { launchBrowser } from "../../browser/tabs.ts";
import { ensureWideModel } from "../models/wide-model.ts";

export interface BenchBed {
  readonly browser: Browser;
  /** A folder of this name in the scratch folder: the data of one relay. */
  readonly folder: (name: string) => string;
}

/** `flags` are the browser's, beside the usual ones. */
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

/** Folders for a relay's `models`: of `bundled` none, of `wide` the synthetic one, of `copying` the one that also repeats its prompts; else `name` is a model folder itself. Throws where it is none. */
export async function modelFolders(name: string): Promise<readonly string[]> {
  if (name === "bundled") return [];
  if (name === "wide") return [await ensureWideModel()];
  if (name === "copying") return [await ensureWideModel({ copies: true })];
  if (existsSync(path.join(name, MANIFEST_FILE))) return [path.resolve(name)];
  throw new Error("--model is bundled, wide, copying or a model folder");
}

/** A whole number from `least` on, or an error that names the flag. */
export function wholeNumber(flag: string, text: string, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${flag} wants a whole number from ${least}`);
  return value;
}

export const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
