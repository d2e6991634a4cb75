// Entry of `npm run verify`: the static checks, then all tests, and one last line that counts both.
// Plain JavaScript on any Node from 20 on, so that the line comes even if set-up fails.
import fs from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { countOwn, readReport, sum } from "./report.mjs";
import { runAttached } from "./setup/process.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const SETUP = path.join(ROOT, "tools", "setup", "main.mjs");

/** What is run, in order: commands of set-up, each with the report that it leaves behind. */
const RUNS = [
  { name: "npm run check", command: "check", report: path.join(ROOT, "reports", "check.json") },
  { name: "npm test", command: "test", report: path.join(ROOT, "reports", "test.json") },
];

const { SIGHUP, SIGINT, SIGTERM } = constants.signals;
/** Exit codes of a command that a person or the system stopped: nothing else is run then. */
const STOPPED = new Set([SIGHUP, SIGINT, SIGTERM].map((signal) => 128 + signal));

const HELP = `npm run verify

Everything that must pass before a change goes in: ${RUNS.map(({ name }) => `\`${name}\``).join(", then ")}.
Ends with one line, "N passed, N failed", which counts checks and tests together.`;

/** @param {readonly string[]} argv @returns {Promise<number>} */
async function main(argv) {
  if (argv.length > 0) {
    console.log(HELP);
    return argv.every((arg) => arg === "--help" || arg === "-h") ? 0 : 2;
  }
  const counts = [];
  let stopped = false;
  for (const { name, command, report } of RUNS) {
    fs.rmSync(report, { force: true }); // an old report must not count
    let exitCode = 1;
    if (!stopped) {
      console.log(`== ${name}`);
      exitCode = await runAttached(process.execPath, [SETUP, command], { cwd: ROOT });
      stopped = STOPPED.has(exitCode);
    }
    counts.push(readReport(name, report, exitCode, countOwn));
  }
  const { passed, failed, problems } = sum(counts);
  for (const problem of problems) console.log(problem);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
