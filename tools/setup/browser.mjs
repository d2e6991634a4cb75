// Finds a Chromium-like browser on this machine, or installs one. The tests and `npm start -- --volunteers` drive it.
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { capture } from "./process.mjs";
import { elapsed, say, SetupError } from "./say.mjs";

/** @typedef {{ path: string, version: string }} Browser */

/**
 * Flags for every browser that is driven here: containers have no sandbox, and a volunteer should talk to its relay and
 * nobody else.
 */
export const BROWSER_FLAGS = Object.freeze([
  "--no-sandbox",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]);

const LINUX_NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "microsoft-edge-stable"];
const LINUX_FILES = ["/opt/google/chrome/chrome", "/usr/lib/chromium/chromium", "/opt/microsoft/msedge/msedge", "/snap/bin/chromium"];
const MAC_APPS = ["Google Chrome", "Chromium", "Microsoft Edge"];
const WINDOWS_FILES = ["Google/Chrome/Application/chrome.exe", "Chromium/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe"];

/** Paths where a browser may be, best first. @returns {string[]} */
function candidates() {
  const chosen = process.env["MANYHANDS_BROWSER"];
  if (chosen) return [chosen];
  if (process.platform === "darwin") {
    const folders = ["/Applications", path.join(os.homedir(), "Applications")];
    return folders.flatMap((folder) => MAC_APPS.map((app) => path.join(folder, `${app}.app`, "Contents", "MacOS", app)));
  }
  if (process.platform === "win32") {
    const folders = ["PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"].flatMap((name) => process.env[name] ?? []);
    return folders.flatMap((folder) => WINDOWS_FILES.map((file) => path.join(folder, file)));
  }
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter(Boolean);
  return [...LINUX_NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name))), ...LINUX_FILES];
}

/** The path where Playwright keeps the browser that it downloads. @param {string} root @returns {string[]} */
function playwrightCandidates(root) {
  try {
    const { chromium } = createRequire(path.join(root, "package.json"))("playwright-core");
    return [chromium.executablePath()];
  } catch {
    return []; // Playwright is not installed, or has no browser for this platform.
  }
}

/**
 * Returns the line in which a program states its version; undefined if it does not run (a launcher without its browser,
 * missing libraries).
 * @param {string} file
 */
async function versionOf(file) {
  // On Windows, Chrome opens a window instead of printing its version.
  if (process.platform === "win32") return path.basename(file, ".exe");
  const { code, output } = await capture(file, ["--version"], { timeoutMs: 20_000 });
  const line = output.split("\n").find((text) => /\d+\.\d+\.\d+/.test(text));
  return code === 0 && line ? line.trim() : undefined;
}

/**
 * Resolves with the browser of this machine; undefined if there is none. To ask each candidate for its version takes a
 * moment, so the last version found is kept in `.cache`.
 * @param {string} root
 * @returns {Promise<Browser | undefined>}
 */
export async function findBrowser(root) {
  const cacheFile = path.join(root, ".cache", "browser.json");
  for (const file of [...candidates(), ...playwrightCandidates(root)]) {
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile()) continue;
    const key = `${file} ${stat.size} ${stat.mtimeMs}`;
    const cached = readCache(cacheFile);
    if (cached?.key === key) return { path: file, version: cached.version };
    const version = await versionOf(file);
    if (version === undefined) continue;
    fs.mkdirSync(path.dirname(cacheFile), { recursive: true });
    fs.writeFileSync(cacheFile, JSON.stringify({ key, version }));
    return { path: file, version };
  }
  return undefined;
}

/** @param {string} file @returns {{ key: string, version: string } | undefined} */
function readCache(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return undefined; // The file was never written, or is cut short: the browser is asked again.
  }
}

/** Installs Playwright's browser. Resolves with the reason why that may not have helped. @param {string} root */
async function installFromPlaywright(root) {
  say("no browser found: downloading Playwright's Chromium (once, about 170 MB)");
  const cli = path.join(root, "node_modules", "playwright-core", "cli.js");
  const download = await capture(process.execPath, [cli, "install", "chromium"], { cwd: root, show: true, timeoutMs: 15 * 60_000 });
  if (download.code !== 0) return "Playwright's download failed";
  if (process.platform === "linux" && process.getuid?.() === 0 && (await findBrowser(root)) === undefined)
    await capture(process.execPath, [cli, "install-deps", "chromium"], { cwd: root, show: true, timeoutMs: 15 * 60_000 });
  return "the downloaded browser does not run on this system";
}

/** Installs Debian's Chromium. Resolves with the reason why that may not have helped. */
async function installFromApt() {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "apt-get needs Linux and root";
  if ((await capture("apt-get", ["--version"])).code !== 0) return "there is no apt-get here";
  say("installing the system's Chromium with apt-get");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = { show: true, timeoutMs: 15 * 60_000, env };
  await capture("apt-get", ["update"], options); // If this fails, the package lists on disk may still be good enough.
  const { code } = await capture("apt-get", ["install", "-y", "--no-install-recommends", "chromium"], options);
  return code === 0 ? "apt-get's chromium does not run" : "apt-get could not install chromium";
}

/**
 * Resolves with a browser, and installs one if there is none. Throws a SetupError if no way works.
 * @param {string} root
 * @returns {Promise<Browser>}
 */
export async function ensureBrowser(root) {
  const present = await findBrowser(root);
  if (present) return present;
  if (process.env["MANYHANDS_BROWSER"])
    throw new SetupError(
      `MANYHANDS_BROWSER names ${process.env["MANYHANDS_BROWSER"]}, which does not run.`,
      "Unset it, or set it to the program file of a Chromium, Chrome or Edge.",
    );
  const reasons = [];
  for (const install of [installFromPlaywright, installFromApt]) {
    const reason = await install(root);
    const browser = await findBrowser(root);
    if (browser) {
      say(`browser ready: ${browser.version} (${elapsed()})`);
      return browser;
    }
    say(`${reason}; going on`);
    reasons.push(reason);
  }
  throw new SetupError(
    `No browser: none is installed, and ${reasons.join(", and ")}.`,
    "Install Chromium, Chrome or Edge and run the same command again, or set MANYHANDS_BROWSER to its program file.",
  );
}
