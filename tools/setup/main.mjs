// Entry of most npm scripts: sets this checkout up as far as a command needs, then runs it on a new enough Node.
// Plain JavaScript without packages, because it runs before anything is installed, on any Node from 20 on.
//
// The parts, in the order in which they act:
//   lock.mjs          lets one set-up run at a time
//   dependencies.mjs  makes node_modules match package-lock.json, and finds a Node that runs TypeScript
//   browser.mjs       finds a browser, or installs one
//   build.mjs         builds the page if its sources changed
//   process.mjs       runs other programs
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBrowser } from "./browser.mjs";
import { ensureBuild } from "./build.mjs";
import { ensureDependencies, findNode } from "./dependencies.mjs";
import { withSetupLock } from "./lock.mjs";
import { runAttached } from "./process.mjs";
import { say, SetupError } from "./say.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/**
 * What set-up provides beside packages and Node.
 * @typedef {"browser" | "page"} Need
 */

/**
 * A command: the program that does it, with its first arguments, and what the program needs for `args`. A command
 * without a program is done when set-up is.
 * @typedef {{ program?: readonly [file: string, ...args: string[]], needs: (args: readonly string[]) => readonly Need[]
 * }} Command
 */

/** @type {Command["needs"]} */
const nothing = () => [];
/** A measurement wants the page; the list of measurements does not. @type {Command["needs"]} */
const pageToMeasure = (args) => (args.length > 0 ? ["page"] : []);

/** @type {Record<string, Command>} */
const COMMANDS = {
  start: {
    program: ["tools/start.ts"],
    needs: (args) => (args.some((arg) => /^--volunteers(=|$)/.test(arg)) ? ["browser", "page"] : ["page"]),
  },
  test: { program: ["tools/test.ts"], needs: () => ["browser", "page"] },
  check: { program: ["tools/check/main.ts"], needs: nothing },
  bench: { program: ["tools/run-measurement.ts", "bench"], needs: pageToMeasure },
  soak: { program: ["tools/run-measurement.ts", "soak"], needs: pageToMeasure },
  build: { needs: () => ["page"] },
  model: { program: ["tools/model/main.ts"], needs: nothing },
};

/** @param {readonly string[]} argv @returns {Promise<number>} the exit code */
async function main([name = "", ...args]) {
  const command = COMMANDS[name];
  if (command === undefined)
    throw new SetupError(`There is no command "${name}".`, `The commands are ${Object.keys(COMMANDS).join(", ")}.`);
  const { program } = command;
  const wantsHelp = args.includes("--help") || args.includes("-h");
  const needs = program !== undefined && wantsHelp ? [] : command.needs(args);
  const { node, browser } = await withSetupLock(ROOT, () => setUp(needs));
  if (program === undefined) return 0;
  const [file, ...first] = program;
  const env = browser === undefined ? process.env : { ...process.env, MANYHANDS_BROWSER: browser.path };
  return runAttached(node, ["--disable-warning=ExperimentalWarning", path.join(ROOT, file), ...first, ...args], { cwd: ROOT, env });
}

/** Resolves with the Node to run on, and with the browser if one is needed. @param {readonly Need[]} needs */
async function setUp(needs) {
  await ensureDependencies(ROOT);
  const browser = needs.includes("browser") ? await ensureBrowser(ROOT) : undefined;
  const node = await findNode(ROOT);
  if (needs.includes("page")) await ensureBuild(ROOT, node);
  return { node, browser };
}

/**
 * Returns what a person can do about an error; undefined for an error that is a fault of this program.
 * @param {unknown} error
 */
function explain(error) {
  if (error instanceof SetupError) return error.message;
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  if (error.code === "ENOSPC") return "The disk is full.\n  Free about 1 GB and run the same command again.";
  if (error.code === "EACCES" || error.code === "EROFS") return `This folder cannot be written: ${error.message}`;
  return undefined;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const explained = explain(error);
  if (explained === undefined) throw error;
  say(explained);
  process.exitCode = 1;
}
