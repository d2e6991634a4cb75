// Entry of `npm run bench` and `npm run soak`: finds a measurement by its file name in tools/bench or tools/soak, and
// runs it.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/**
 * The folders of measurements: benches say how fast, soaks look for what happens rarely. Helpers are in folders inside.
 */
const FOLDERS = Object.freeze(["bench", "soak"] as const);
type Folder = (typeof FOLDERS)[number];

/** What a measurement's file exports. `run` prints its results on standard output, one JSON object a line. */
interface Measurement {
  run(args: readonly string[]): Promise<void> | void;
}

/** The measurements of a folder: paths of the files by name. */
function findMeasurements(folder: Folder): ReadonlyMap<string, string> {
  const place = path.join(import.meta.dirname, folder);
  const files = fs.readdirSync(place).filter((file) => file.endsWith(".ts"));
  return new Map(files.map((file) => [path.basename(file, ".ts"), path.join(place, file)]));
}

/** Returns the sentence that opens a measurement's file: it says what is measured. */
function aboutOf(file: string): string {
  const first = fs.readFileSync(file, "utf8").split("\n", 1)[0] ?? "";
  return first.startsWith("//") ? first.slice(2).trim() : "";
}

function help(folder: Folder): string {
  const lines = [...findMeasurements(folder)].map(([name, file]) => `  ${name.padEnd(14)} ${aboutOf(file)}`);
  return `npm run ${folder} -- NAME [arguments]\n\n${lines.join("\n")}`;
}

async function main([given, name, ...args]: readonly string[]): Promise<number> {
  const folder = FOLDERS.find((each) => each === given);
  if (folder === undefined) {
    console.error(FOLDERS.map(help).join("\n\n"));
    return 2;
  }
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(help(folder));
    return 0;
  }
  const file = findMeasurements(folder).get(name);
  if (file === undefined) {
    console.error(`There is no ${folder} "${name}".\n\n${help(folder)}`);
    return 2;
  }
  const measurement = (await import(pathToFileURL(file).href)) as Measurement; // every file of the folder is one
  await measurement.run(args);
  return Number(process.exitCode ?? 0);
}

process.exitCode = await main(process.argv.slice(2));
