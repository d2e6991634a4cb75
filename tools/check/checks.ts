// The static checks, in the order in which they run: what each is for, how it runs, and when it has passed.
import fs from "node:fs";
import path from "node:path";
import { ensureBuild } from "../setup/build.mjs";
import { withSetupLock } from "../setup/lock.mjs";
import { checkLock } from "./lock.ts";
import type { Check, CheckContext, Outcome } from "./check.ts";
import { architecture } from "./architecture.ts";
import { once } from "./once.ts";
import { buildReference } from "./reference.ts";
import { words } from "./words.ts";

/** A check that is one tool's exit code. */
const tool =
  (file: string, ...args: readonly string[]) =>
  async (context: CheckContext): Promise<Outcome> => {
    const { code, output } = await context.run(file, args);
    return { passed: code === 0, output };
  };

async function lint({ run }: CheckContext): Promise<Outcome> {
  const { code, output } = await run("oxlint/bin/oxlint", []);
  return { passed: code === 0, output, warns: !/Found 0 warnings and 0 errors/.test(output) };
}

/** What dependency-cruiser's JSON says, as far as it is read here. */
interface CruiseReport {
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string; readonly severity: string };
      readonly cycle?: readonly { readonly name: string }[];
    }[];
  };
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly unknown[] }[];
}

/**
 * Runs dependency-cruiser, and fails too where it saw nothing: without a parser for TypeScript it reads no file,
 * finds no
 * breach and calls that a success.
 */
async function layers({ root, run }: CheckContext): Promise<Outcome> {
  const folders = ["src", "relay", "tools", "test"].filter((folder) => fs.existsSync(path.join(root, folder)));
  const { code, output } = await run("dependency-cruiser/bin/dependency-cruiser.mjs", [
    "--config",
    ".dependency-cruiser.mjs",
    "--output-type",
    "json",
    ...folders,
  ]);
  let report: CruiseReport;
  try {
    // The tool's own documented report, at the version that the lock file fixes.
    report = JSON.parse(output.slice(output.indexOf("{"))) as CruiseReport;
  } catch {
    return { passed: false, output: `dependency-cruiser left no report (exit code ${code}):\n${output.slice(0, 2000)}` };
  }
  const ours = report.modules.filter((module) => module.source.startsWith("src/"));
  const imports = ours.reduce((count, module) => count + module.dependencies.length, 0);
  if (ours.length === 0 || imports === 0)
    return {
      passed: false,
      output: `dependency-cruiser read ${ours.length} modules and ${imports} imports of src: it cannot have seen a breach`,
    };
  const lines = report.summary.violations.map(({ rule, from, to, cycle }) => {
    const where = cycle === undefined ? to : cycle.map((step) => step.name).join(" -> ");
    return `${rule.severity} ${rule.name}: ${from}${where === from ? "" : ` -> ${where}`}`;
  });
  return { passed: lines.length === 0, output: `${lines.join("\n")}\n${report.summary.totalCruised} modules read` };
}

async function size(context: CheckContext): Promise<Outcome> {
  try {
    await withSetupLock(context.root, () => ensureBuild(context.root, process.execPath));
  } catch (error) {
    return { passed: false, output: error instanceof Error ? error.message : String(error) };
  }
  return { ...(await tool("size-limit/bin.js")(context)), warns: true };
}

export const CHECKS: readonly Check[] = [
  { name: "types", about: "TypeScript, in projects that see only what their platform has", run: tool("typescript/bin/tsc", "-b") },
  { name: "lint", about: "oxlint with type information", run: lint },
  { name: "format", about: "oxfmt (`npm run format` writes)", run: tool("oxfmt/bin/oxfmt", "--check", ".") },
  { name: "layers", about: "who imports whom, and which libraries where", run: layers },
  { name: "architecture", about: "docs/architecture.md shows the rules and the files as they are", run: architecture },
  { name: "once", about: "no second backoff, abort race or token bucket", run: once },
  { name: "words", about: "comments, documents and file names by docs/glossary.md", run: words },
  { name: "unused", about: "files, exports and packages that nothing uses", run: tool("knip/bin/knip.js", "--no-progress") },
  {
    name: "lock",
    about: "an address and a hash for every package in package-lock.json",
    run: ({ root }) => Promise.resolve(checkLock(root)),
  },
  {
    name: "reference",
    about: "the reference of the API, from its docstrings, into .cache/reference",
    run: ({ root, run }) => buildReference({ root, run }),
  },
  { name: "size", about: "bytes that a page loads before anyone agreed to anything", run: size },
];
