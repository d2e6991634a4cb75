// Entry of every npm script: sets this checkout up as far as the job needs, then runs the job on a new enough Node.
// Plain JavaScript without packages, because it runs before anything is installed, on any Node from 20 on.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBrowser } from "./browser.mjs";
import { ensureBuild } from "./build.mjs";
import { ensureDependencies, findNode } from "./dependencies.mjs";
import { withSetupLock } from "./lock.mjs";
import { runJob } from "./process.mjs";
import { say, SetupError } from "./say.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** @typedef {{ script?: string, browser: boolean, build: boolean }} Job */

const wantsHelp = (/** @type {readonly string[]} */ args) => args.includes("--help") || args.includes("-h");

/** What a job needs before it runs. @type {Record<string, (args: readonly string[]) => Job>} */
const JOBS = {
  start: (args) => ({
    script: "tools/start.ts",
    browser: !wantsHelp(args) && args.some((arg) => /^--volunteers(=|$)/.test(arg)),
    build: !wantsHelp(args),
  }),
  test: (args) => ({ script: "tools/test.ts", browser: !wantsHelp(args), build: !wantsHelp(args) }),
  check: () => ({ script: "tools/check/main.ts", browser: false, build: false }),
  bench: (args) => ({ script: "tools/bench/main.ts", browser: false, build: args.length > 0 && !wantsHelp(args) }),
  soak: (args) => ({ script: "tools/bench/main.ts", browser: false, build: args.length > 0 && !wantsHelp(args) }),
  build: () => ({ browser: false, build: true }),
  model: () => ({ script: "tools/model/main.ts", browser: false, build: false }),
};

/** @param {readonly string[]} argv @returns {Promise<number>} */
async function main([name = "", ...args]) {
  const plan = JOBS[name]?.(args);
  if (plan === undefined) throw new SetupError(`There is no job "${name}".`, `The jobs are ${Object.keys(JOBS).join(", ")}.`);
  const { node, browser } = await withSetupLock(ROOT, async () => {
    await ensureDependencies(ROOT);
    const found = plan.browser ? await ensureBrowser(ROOT) : undefined;
    const nodeFile = await findNode(ROOT);
    if (plan.build) await ensureBuild(ROOT, nodeFile);
    return { node: nodeFile, browser: found };
  });
  if (plan.script === undefined) return 0;
  const env = { ...process.env, MANYHANDS_JOB: name };
  if (browser) Object.assign(env, { MANYHANDS_BROWSER: browser.path });
  return runJob(node, ["--disable-warning=ExperimentalWarning", path.join(ROOT, plan.script), ...args], { cwd: ROOT, env });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const code = /** @type {NodeJS.ErrnoException} */ (error).code;
  if (error instanceof SetupError) say(error.message);
  else if (code === "ENOSPC") say("The disk is full.\n  Free about 1 GB and run the same command again.");
  else if (code === "EACCES" || code === "EROFS") say(`This folder cannot be written: ${/** @type {Error} */ (error).message}`);
  else throw error;
  process.exitCode = 1;
}
