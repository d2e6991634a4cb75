// Lets one set-up run at a time in a checkout: a second command waits for the first, instead of installing over it.
import fs from "node:fs";
import path from "node:path";
import { say } from "./say.mjs";

const POLL_MS = 200;
/** A set-up that takes longer than this hangs: even an install over a slow line takes only minutes. */
const STALE_AFTER_MS = 30 * 60_000;

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process is alive, but belongs to another user.
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/** Returns the process that holds the lock; undefined if the lock is free. @param {string} file */
function holderOf(file) {
  try {
    const { mtimeMs } = fs.statSync(file);
    const pid = Number(fs.readFileSync(file, "utf8"));
    const tooOld = Date.now() - mtimeMs >= STALE_AFTER_MS;
    // A file that is still empty was opened a moment ago, and its owner is about to write into it.
    return { pid, stale: tooOld || (pid > 0 && !isAlive(pid)) };
  } catch {
    return undefined; // The file was removed between the two calls.
  }
}

/** Returns whether the lock is ours now. @param {string} file */
function tryAcquire(file) {
  try {
    fs.writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/** Resolves once this process holds the lock. @param {string} file */
async function acquire(file) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  let announced = false;
  while (!tryAcquire(file)) {
    const holder = holderOf(file);
    if (holder?.stale) fs.rmSync(file, { force: true });
    else if (holder && !announced) {
      announced = true;
      say(`waiting for another set-up of this checkout (process ${holder.pid})`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Runs `action` while this process holds the checkout's set-up lock, and releases the lock however the action ends.
 * @template T
 * @param {string} root
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withSetupLock(root, action) {
  const file = path.join(root, ".cache", "setup.lock");
  await acquire(file);
  const release = () => fs.rmSync(file, { force: true });
  const onSignal = (/** @type {NodeJS.Signals} */ signal) => {
    release();
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    return await action();
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    release();
  }
}
