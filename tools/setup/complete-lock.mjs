// Completes package-lock.json after `npm install`: npm leaves out optional packages for other platforms when its registry did
// not offer them, and `npm ci` then refuses the whole lock file. Each gets the entry that npm itself would write, without the
// hash that nobody here has seen.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { say } from "./say.mjs";

/** @typedef {{ version?: string, dev?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[], optionalDependencies?: Record<string, string> }} Entry */

const LOCK = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../package-lock.json");

/** Where a package that `from` asks for is found, by Node's rule: the nearest node_modules upward.
 * @param {Record<string, Entry>} packages @param {string} from @param {string} name */
function isPresent(packages, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("node_modules/") - 1))) {
    if (`${folder === "" ? "" : `${folder}/`}node_modules/${name}` in packages) return true;
    if (folder === "") return false;
  }
}

/** The platform that a package's name ends with (`…-linux-x64-musl`), as npm's fields; undefined for other packages.
 * @param {string} name @returns {Pick<Entry, "os" | "cpu" | "libc"> | undefined} */
function platformOf(name) {
  const match = /(?:^|[-/])(darwin|linux|win32|android|freebsd|openharmony)-(arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(\w+))?$/.exec(
    name,
  );
  if (!match) return undefined;
  const [, os = "", cpu = "", abi = ""] = match;
  const libc = abi.startsWith("musl") ? ["musl"] : abi.startsWith("gnu") ? ["glibc"] : undefined;
  return { os: [os], cpu: [cpu], ...(os === "linux" && libc && { libc }) };
}

/** npm writes `version` first and the rest by name. @param {Entry} entry @returns {Entry} */
function inNpmOrder({ version, ...rest }) {
  return { ...(version !== undefined && { version }), ...Object.fromEntries(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

const lock = JSON.parse(fs.readFileSync(LOCK, "utf8"));
/** @type {Record<string, Entry>} */
const packages = lock.packages;
let added = 0;
for (const [where, entry] of Object.entries({ ...packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const platform = platformOf(name);
    if (isPresent(packages, where, name) || platform === undefined || !/^\d/.test(version)) continue;
    packages[`node_modules/${name}`] = inNpmOrder({ version, ...(entry.dev && { dev: true }), optional: true, ...platform });
    added += 1;
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
if (added > 0) fs.writeFileSync(LOCK, `${JSON.stringify(lock, undefined, 2)}\n`);
say(added > 0 ? `${added} optional packages of other platforms added to package-lock.json` : "package-lock.json is complete");
