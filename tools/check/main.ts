// Entry of `npm run check`: every static check, each timed, all of them even when one fails, and a line of counts at
// the end.
import fs from "node:fs";
import path from "node:path";
import { capture } from "../setup/process.mjs";
import { CHECKS } from "./checks.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const REPORT = path.join(ROOT, "reports", "check.json");

const HELP = `npm run check [-- name ...]

Static checks; without names all of them:
${CHECKS.map((check) => `  ${check.name.padEnd(12)} ${check.about}`).join("\n")}`;

async function listFiles(): Promise<readonly string[]> {
  const { code, output } = await capture("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  if (code !== 0) throw new Error(`git does not list the project's files: ${output}`);
  return output.split("\n").filter((file) => file !== "" && fs.existsSync(path.join(ROOT, file)));
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const unknown = argv.filter((name) => !CHECKS.some((check) => check.name === name));
  if (unknown.length > 0) {
    console.error(`There is no check "${unknown.join('", "')}".\n\n${HELP}`);
    return 2;
  }
  fs.rmSync(REPORT, { force: true });
  const results: { name: string; passed: boolean }[] = [];
  for (const check of CHECKS) {
    if (argv.length > 0 && !argv.includes(check.name)) continue;
    const started = performance.now();
    const result = await check.run({
      root: ROOT,
      run: (file, args) => capture(process.execPath, [path.join(ROOT, "node_modules", file), ...args], { cwd: ROOT }),
      files: listFiles,
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${result.passed ? "ok  " : "FAIL"} ${check.name.padEnd(12)} ${seconds.padStart(5)} s  ${check.about}`);
    const output = result.output.trim();
    if (output !== "" && (!result.passed || result.warns)) console.log(`${output.replaceAll(/^/gm, "     ")}\n`);
    results.push({ name: check.name, passed: result.passed });
  }
  const passed = results.filter((result) => result.passed).length;
  fs.mkdirSync(path.dirname(REPORT), { recursive: true });
  fs.writeFileSync(REPORT, JSON.stringify({ passed, failed: results.length - passed, skipped: 0, results }, undefined, 2));
  console.log(`checks: ${passed} passed, ${results.length - passed} failed`);
  return passed === results.length ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
