// Running other programs: with their output shown, with their output kept, and as the job that set-up was for.
import { spawn } from "node:child_process";
import { constants } from "node:os";

/** @typedef {{ code: number, output: string }} Finished `output` is standard output and error together, in order of arrival. */

/** Kept of a program's output at most. */
const OUTPUT_CHARACTERS = 20_000_000;
const PARENT_POLL_MS = 500;

/**
 * Runs a program to its end and keeps its output; never throws for a failing program (a missing one answers code 127).
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, timeoutMs?: number, env?: NodeJS.ProcessEnv, show?: boolean, shell?: boolean }} [options] `show` copies the output to standard error.
 * @returns {Promise<Finished>}
 */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      shell: options.shell ?? false,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs,
      killSignal: "SIGKILL",
    });
    let output = "";
    const take = (/** @type {Buffer} */ chunk) => {
      if (output.length < OUTPUT_CHARACTERS) output += chunk.toString("utf8");
      if (options.show) process.stderr.write(chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("error", (error) => resolve({ code: 127, output: `${output}${error.message}` }));
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * Runs the job itself: same terminal, signals passed on, its exit code as the answer.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<number>}
 */
export function runJob(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: "inherit" });
    // A terminal sends Ctrl-C to both of us: this process waits for the job to stop. SIGTERM and SIGHUP arrive here alone.
    const pass = (/** @type {NodeJS.Signals} */ signal) => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
    for (const signal of signals) process.on(signal, pass);
    // npm runs a script through a shell that dies of a signal without passing it on: a new parent means that we were left behind.
    const parent = process.ppid;
    const orphaned = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(orphaned);
      child.kill("SIGTERM");
    }, PARENT_POLL_MS);
    orphaned.unref();
    const done = () => {
      clearInterval(orphaned);
      for (const signal of signals) process.off(signal, pass);
    };
    child.once("error", (error) => {
      done();
      reject(error);
    });
    child.once("exit", (code, signal) => {
      done();
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}
