// Makes node_modules match package-lock.json, and finds a Node that runs this project's TypeScript without a build.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { capture } from "./process.mjs";
import { elapsed, say, SetupError } from "./say.mjs";

/** libp2p 3 needs Node 22; running TypeScript without a build, by stable type stripping, needs 24. */
const NODE_MAJOR = 24;

/** @param {string} file @returns {any} */
const readJson = (file) => JSON.parse(fs.readFileSync(file, "utf8"));

/**
 * Makes node_modules match package-lock.json. A stamp in node_modules, the hash of the lock file that was installed,
 * makes this a matter of milliseconds if nothing changed. Throws a SetupError if npm fails.
 * @param {string} root
 */
export async function ensureDependencies(root) {
  const lock = fs.readFileSync(path.join(root, "package-lock.json"));
  const stamp = crypto.createHash("sha256").update(lock).update(`${process.platform}-${process.arch}`).digest("hex");
  const stampFile = path.join(root, "node_modules", ".manyhands-stamp");
  if (fs.existsSync(stampFile) && fs.readFileSync(stampFile, "utf8") === stamp) return;
  if (!isInstalled(root)) await install(root);
  fs.writeFileSync(stampFile, stamp);
}

/**
 * Returns whether every package of the lock file is installed in exactly that version, by npm's own record of what it
 * installed: somebody may have run `npm ci` by hand.
 * @param {string} root
 */
function isInstalled(root) {
  const record = path.join(root, "node_modules", ".package-lock.json");
  if (!fs.existsSync(record)) return false;
  const wanted = readJson(path.join(root, "package-lock.json")).packages;
  const present = readJson(record).packages;
  for (const [place, entry] of Object.entries(wanted)) {
    if (place === "") continue; // the project itself
    const found = present[place];
    if (found === undefined && entry.optional) continue;
    if (found?.version !== entry.version || (entry.integrity && found.integrity !== entry.integrity)) return false;
  }
  return Object.keys(present).every((place) => place in wanted);
}

/** @param {string} root */
async function install(root) {
  say("installing packages (npm ci; once, about a minute)");
  const npm = npmCommand();
  // Windows cannot delete a program that runs, and this one may be the node.exe inside node_modules.
  const insideModules = process.platform === "win32" && process.execPath.startsWith(path.join(root, "node_modules"));
  const verb = insideModules ? ["install", "--no-save"] : ["ci"];
  const args = [...npm.args, ...verb, "--include=dev", "--include=optional", "--no-fund", "--no-audit", "--loglevel=error"];
  const result = await capture(npm.command, args, { cwd: root, show: true, env: ownEnvironment(), shell: npm.shell });
  if (result.code !== 0) throw new SetupError(`npm could not install the packages (exit code ${result.code}).`, explainNpm(result.output));
  say(`packages installed (${elapsed()})`);
}

/** The npm that started this process, else the one on the PATH. */
function npmCommand() {
  const cli = process.env["npm_execpath"];
  if (cli?.endsWith(".js")) return { command: process.env["npm_node_execpath"] ?? process.execPath, args: [cli], shell: false };
  return { command: process.platform === "win32" ? "npm.cmd" : "npm", args: [], shell: process.platform === "win32" };
}

/** The environment without what an outer `npm run` says of its own script and package. */
function ownEnvironment() {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (/^npm_(package|lifecycle)_/.test(name)) delete env[name];
  return env;
}

/** Returns what a person can do about a failed installation. @param {string} output what npm printed */
function explainNpm(output) {
  if (/ENOSPC/.test(output)) return "The disk is full: free about 1 GB and run the same command again.";
  if (/EACCES|EPERM|EROFS/.test(output)) return "This folder cannot be written: check who owns it, then run the same command again.";
  if (/EUSAGE|can only install packages when your package.json/.test(output))
    return "package.json and package-lock.json disagree: run `npm install`, look at what changed, and commit the lock file.";
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network/i.test(output))
    return "The npm registry cannot be reached: check the connection (or the proxy: `npm config get registry`), then run the same command again.\nPackages that were downloaded are kept.";
  return "npm's output is above. `npm ci` by hand shows it again.";
}

/** @param {string} version as `process.version` has it */
const major = (version) => Number(/^v?(\d+)/.exec(version)?.[1] ?? 0);

/**
 * Resolves with the path of a Node that is new enough: the one that the npm package `node` installed, else the running
 * one. Throws a SetupError if neither is.
 * @param {string} root
 */
export async function findNode(root) {
  const installed = path.join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
  if (fs.existsSync(installed)) {
    const { code, output } = await capture(installed, ["--version"], { timeoutMs: 20_000 });
    if (code === 0 && major(output.trim()) >= NODE_MAJOR) return installed;
  }
  if (major(process.version) >= NODE_MAJOR) return process.execPath;
  throw new SetupError(
    `Node ${NODE_MAJOR} is needed; this is ${process.version}, and the copy in node_modules did not install.`,
    `Run \`npm rebuild node --foreground-scripts --ignore-scripts=false\` to see why, or install Node ${NODE_MAJOR} (https://nodejs.org), then run the same command again.`,
  );
}
