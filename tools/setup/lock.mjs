// One set-up at a time in a checkout: a second command waits for the first instead of installing over it.
import fs from "node:fs";
import path from "node:path";
import { say } from "./say.mjs";

const POLL_MS = 200;
/** A set-up that takes longer than this has hung: an install on a slow line takes minutes. */
const STALE_AFTER_MS = 30 * 60_000;

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, but belongs to somebody else.
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/** @param {string} file */
function holderOf(file) {
  try {
    const { mtimeMs } = fs.statSync(file);
    const pid = Number(fs.readFileSync(file, "utf8"));
    // An empty file was opened a moment ago and its owner has yet to write into it.
    const fresh = Date.now() - mtimeMs < STALE_AFTER_MS;
    return { pid, stale: !fresh || (pid > 0 && !isAlive(pid)) };
  } catch {
    return undefined; // It was removed between the two looks: free.
  }
}

/**
 * Runs `work` while holding the checkout's set-up lock; gives the lock back whatever happens.
 * @template T
 * @param {string} root
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withSetupLock(root, work) {
  const file = path.join(root, ".cache", "setup.lock");
  fs.mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  for (;;) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    const holder = holderOf(file);
    if (holder?.stale) fs.rmSync(file, { force: true });
    else if (holder && !told) {
      told = true;
      say(`waiting for another set-up of this checkout (process ${holder.pid})`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const release = () => fs.rmSync(file, { force: true });
  const onSignal = (/** @type {NodeJS.Signals} */ signal) => {
    release();
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    return await work();
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    release();
  }
}
