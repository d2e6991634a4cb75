// Entry of `npm test`: runs Vitest, then Playwright, lists the real parts that were used, and ends with one line of
// counts.
import fs from "node:fs";
import path from "node:path";
import { BROWSER_FLAGS, findBrowser } from "./setup/browser.mjs";
import { runAttached } from "./setup/process.mjs";
import { NOTHING, readReport, sum, type Count } from "./report.mjs";
import { countPlaywright, countVitest } from "./runner-reports.ts";
import { describeWebGpu } from "./test-webgpu.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const REPORTS = path.join(ROOT, "reports");
/** The counts of all runners together. */
const TOTAL = path.join(REPORTS, "test.json");

const HELP = `npm test -- [--unit | --e2e] [file ...] [flags for the runner]

Sets up what is needed (packages, a browser, the built page), then runs
  unit, relay and contract tests   Vitest, in Node and in a real browser
  end-to-end tests                 Playwright, real tabs against a real relay

  --unit    only Vitest
  --e2e     only Playwright
  file ...  only test files whose path contains this; the path decides which runner runs
  -t TITLE  only tests whose title matches

Ends with one line, "N passed, N failed, N skipped", counted from the runners' own reports (reports/*.json).`;

interface Choice {
  readonly unit: boolean;
  readonly e2e: boolean;
  readonly rest: readonly string[];
}

function choose(argv: readonly string[]): Choice {
  const rest = argv.filter((arg) => arg !== "--unit" && arg !== "--e2e");
  const onlyUnit = argv.includes("--unit");
  const onlyE2e = argv.includes("--e2e");
  const files = rest.filter((arg) => /\.ts$|\//.test(arg));
  const namesE2e = files.length > 0 && files.every((file) => /e2e|\.spec\./.test(file));
  const namesUnit = files.length > 0 && !files.some((file) => /e2e|\.spec\./.test(file));
  return { unit: !onlyE2e && !namesE2e, e2e: !onlyUnit && !namesUnit, rest };
}

/** A filter may match tests of the other runner alone. If it matches none at all, `main` says so at the end. */
const allowNone = (rest: readonly string[], flag: string): readonly string[] => (rest.length > 0 ? [flag] : []);

/** The path of a runner's report; a report of an earlier run is removed, so that it cannot be taken for a new one. */
function freshReport(name: string): string {
  const file = path.join(REPORTS, name);
  fs.rmSync(file, { force: true });
  return file;
}

async function runVitest(rest: readonly string[]): Promise<Count> {
  const report = freshReport("vitest.json");
  const cli = path.join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const exitCode = await runAttached(process.execPath, [cli, "run", ...reporters, ...rest, ...allowNone(rest, "--passWithNoTests")], {
    cwd: ROOT,
  });
  return readReport("vitest", report, exitCode, countVitest);
}

/**
 * Runs the two projects of playwright.config.ts one after the other. Tests mostly wait, so two run side by side in the
 * project where nothing is timed.
 */
async function runPlaywright(rest: readonly string[]): Promise<Count> {
  return sum([await runProject("beside", 2, rest), await runProject("alone", 1, rest)]);
}

async function runProject(project: string, workers: number, rest: readonly string[]): Promise<Count> {
  const report = freshReport(`playwright-${project}.json`);
  const cli = path.join(ROOT, "node_modules", "@playwright", "test", "cli.js");
  const args = rest.map((arg) => (arg === "-t" ? "--grep" : arg));
  const env = { ...process.env, PLAYWRIGHT_JSON_OUTPUT_FILE: report };
  const exitCode = await runAttached(
    process.execPath,
    [
      cli,
      "test",
      `--project=${project}`,
      `--workers=${workers}`,
      "--reporter=list,json",
      ...args,
      ...allowNone(rest, "--pass-with-no-tests"),
    ],
    { cwd: ROOT, env },
  );
  return readReport(`playwright ${project}`, report, exitCode, countPlaywright);
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const { unit, e2e, rest } = choose(argv);
  fs.mkdirSync(REPORTS, { recursive: true });
  fs.rmSync(TOTAL, { force: true });

  const unitCount = unit ? await runVitest(rest) : NOTHING;
  const e2eCount = e2e ? await runPlaywright(rest) : NOTHING;
  const total = sum([unitCount, e2eCount]);
  fs.writeFileSync(TOTAL, JSON.stringify(total, undefined, 2));

  const browser = await findBrowser(ROOT);
  console.log("\nReal parts that were used:");
  console.log(`  Node       ${process.version} (${process.platform} ${process.arch})`);
  console.log(`  browser    ${browser ? `${browser.version} (${browser.path})` : "none"}`);
  console.log(`  tabs       ${total.inBrowser} tests ran inside that browser, ${total.passed + total.failed - total.inBrowser} in Node`);
  console.log(`  WebGPU     ${browser ? await describeWebGpu(browser.path, BROWSER_FLAGS) : "no browser"}`);
  if (total.skips.length > 0) console.log(`\nSkipped:\n${total.skips.map((line) => `  ${line}`).join("\n")}`);
  if (total.problems.length > 0) console.log(`\nFailures outside tests:\n${total.problems.map((line) => `  ${line}`).join("\n")}`);
  const ranNothing = total.passed + total.failed === 0;
  if (ranNothing) console.log("\nNo test ran: no test matches these arguments.");
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || ranNothing ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
