// Entry of `npm run bench` and `npm run soak`: finds the measurement by its file name, here or in tools/soak, and runs it.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/** Which folder belongs to the job. */
const JOB = process.env["MANYHANDS_JOB"] === "soak" ? "soak" : "bench";
const FOLDER = path.resolve(import.meta.dirname, "..", JOB);

/** What a file in such a folder exports: `run` prints its results on standard output, one JSON object a line. */
interface Bench {
  run(args: readonly string[]): Promise<void> | void;
}

/** The sentence that a bench's file opens with says what it measures. */
function aboutOf(file: string): string {
  const first = fs.readFileSync(file, "utf8").split("\n", 1)[0] ?? "";
  return first.startsWith("//") ? first.slice(2).trim() : "";
}

function listBenches(): ReadonlyMap<string, string> {
  const files = fs.readdirSync(FOLDER).filter((file) => file.endsWith(".ts") && file !== "main.ts");
  const benches = files.map((file): [string, string] => [path.basename(file, ".ts"), path.join(FOLDER, file)]);
  return new Map(benches.filter(([, file]) => /^export (async )?function run\b/m.test(fs.readFileSync(file, "utf8"))));
}

function help(benches: ReadonlyMap<string, string>): string {
  const lines = [...benches].map(([name, file]) => `  ${name.padEnd(14)} ${aboutOf(file)}`);
  return `npm run ${JOB} -- NAME [arguments]\n\n${lines.length > 0 ? lines.join("\n") : "  (there are none yet)"}`;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  const benches = listBenches();
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(help(benches));
    return 0;
  }
  const file = benches.get(name);
  if (file === undefined) {
    console.error(`There is no ${JOB} "${name}".\n\n${help(benches)}`);
    return 2;
  }
  // `listBenches` took only files that export `run`.
  const bench = (await import(pathToFileURL(file).href)) as Bench;
  await bench.run(args);
  return Number(process.exitCode ?? 0);
}

process.exitCode = await main(process.argv.slice(2));
