// Builds the page into dist if one of its sources changed, and swaps it in as a whole, so that a server never sees half
// a build.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { capture } from "./process.mjs";
import { elapsed, say, SetupError } from "./say.mjs";

/** Files and folders that go into dist. */
const INPUTS = [
  "src",
  "public",
  "index.html",
  "widget.html",
  "vite.config.ts",
  "package-lock.json",
  "tools/model",
  "tools/setup/build.mjs",
];
/** Name of the file in dist that holds the hash of these inputs. */
const STAMP = ".inputs-sha256";

/** Returns every file under `file`, sorted. @param {string} file @returns {string[]} */
function filesUnder(file) {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [file];
  return fs
    .readdirSync(file)
    .sort()
    .flatMap((name) => filesUnder(path.join(file, name)));
}

/** Returns the hash of the names and bytes of all inputs. @param {string} root */
function hashInputs(root) {
  const hash = crypto.createHash("sha256");
  for (const input of INPUTS) {
    for (const file of filesUnder(path.join(root, input))) {
      const bytes = fs.readFileSync(file);
      hash.update(`${path.relative(root, file)}\0${bytes.byteLength}\0`).update(bytes);
    }
  }
  return hash.digest("hex");
}

/** Returns the folders of dist that hold a model. @param {string} dist @returns {string[]} */
function modelFolders(dist) {
  const folder = path.join(dist, "models");
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name));
}

/**
 * Builds the page into `outDir`, with a manifest for each bundled model. Throws a SetupError if it cannot be built.
 * @param {string} root
 * @param {string} node path of the Node to build with
 * @param {string} outDir
 */
async function buildInto(root, node, outDir) {
  const vite = path.join(root, "node_modules", "vite", "bin", "vite.js");
  const args = [vite, "build", "--outDir", outDir, "--emptyOutDir", "--logLevel", "warn"];
  const built = await capture(node, args, { cwd: root, show: true });
  if (built.code !== 0)
    throw new SetupError(
      "The page could not be built.",
      explainBuild(built.output, "Vite's message is above: it names the file and line."),
    );
  for (const folder of modelFolders(outDir)) {
    say(`writing the manifest of ${path.basename(folder)}`);
    const made = await capture(node, [path.join(root, "tools", "model", "make-manifest.ts"), folder], { cwd: root });
    if (made.code === 0 && fs.existsSync(path.join(folder, "manifest.cbor"))) continue;
    throw new SetupError(
      `No manifest could be made of public/models/${path.basename(folder)}:\n${made.output.trim()}`,
      explainBuild(made.output, "Is it a whole model folder (ONNX decoder, tokenizer.json)?"),
    );
  }
}

/** Returns what a person can do about a failed build. @param {string} output @param {string} otherwise */
const explainBuild = (output, otherwise) =>
  /ENOSPC/.test(output) ? "The disk is full: free some space and run the same command again." : otherwise;

/**
 * Builds the page unless dist was built from exactly these inputs. Throws a SetupError if it cannot be built.
 * @param {string} root
 * @param {string} node
 */
export async function ensureBuild(root, node) {
  const dist = path.join(root, "dist");
  const wanted = hashInputs(root);
  const stamp = path.join(dist, STAMP);
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === wanted) return;
  if (!fs.existsSync(path.join(root, "index.html")))
    throw new SetupError("index.html is missing.", "This checkout is not whole: clone the repository again.");
  say("building the page");
  const next = path.join(root, ".cache", "dist-next");
  const last = path.join(root, ".cache", "dist-last");
  await buildInto(root, node, next);
  fs.writeFileSync(path.join(next, STAMP), wanted);
  fs.rmSync(last, { recursive: true, force: true });
  if (fs.existsSync(dist)) fs.renameSync(dist, last);
  fs.renameSync(next, dist);
  fs.rmSync(last, { recursive: true, force: true });
  say(`page built (${elapsed()})`);
}
