// Builds the reference of the public API from its docstrings into .cache/reference, with TypeDoc; any warning of its
// fails the check.
import path from "node:path";
import type { Finished } from "../setup/process.mjs";

/** Where the pages lie, relative to the checkout. */
const OUT = path.join(".cache", "reference");

export interface ReferenceOptions {
  readonly root: string;
  /** Runs a tool by its file under node_modules. */
  readonly run: (file: string, args: readonly string[]) => Promise<Finished>;
}

export async function buildReference({ root, run }: ReferenceOptions): Promise<{ readonly passed: boolean; readonly output: string }> {
  // TypeDoc needs a TypeScript of before 7, which a workspace of its own has.
  const { code, output } = await run("../tools/reference/node_modules/typedoc/bin/typedoc", [
    "--options",
    path.join(root, "tools/reference/typedoc.json"),
    "--out",
    path.join(root, OUT),
  ]);
  const warnings = output.split("\n").filter((line) => /\[(warning|error)\]/.test(line));
  return { passed: code === 0 && warnings.length === 0, output };
}
