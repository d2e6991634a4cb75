// Runs other programs: `capture` keeps their output, `runAttached` gives them this terminal.
import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * @typedef {{ code: number, output: string }} Finished `output` is standard output and error together, in order of
 * arrival.
 */

/** Characters of a program's output that are kept at most. */
const OUTPUT_CHARACTERS = 20_000_000;
const PARENT_POLL_MS = 500;

/**
 * Runs a program to its end and keeps its output. Never throws if the program fails; a program that does not exist
 * gives code 127.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, timeoutMs?: number, env?: NodeJS.ProcessEnv, show?: boolean, shell?: boolean }} [options]
 * `show` copies the output to standard error.
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
    const receive = (/** @type {Buffer} */ chunk) => {
      if (output.length < OUTPUT_CHARACTERS) output += chunk.toString("utf8");
      if (options.show) process.stderr.write(chunk);
    };
    child.stdout.on("data", receive);
    child.stderr.on("data", receive);
    child.once("error", (error) => resolve({ code: 127, output: `${output}${error.message}` }));
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * Runs a program in this terminal and passes signals on to it. Resolves with its exit code; 128 and the signal's number
 * if a signal ended it.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<number>}
 */
export function runAttached(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: "inherit" });
    // A terminal sends Ctrl-C to both processes, and this one waits until the program has stopped. SIGTERM and SIGHUP
    // come to this process alone.
    const pass = (/** @type {NodeJS.Signals} */ signal) => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
    for (const signal of signals) process.on(signal, pass);
    // npm runs a script through a shell, and a shell that a signal ends does not pass the signal on. This process then
    // has another parent.
    const parent = process.ppid;
    const orphaned = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(orphaned);
      child.kill("SIGTERM");
    }, PARENT_POLL_MS);
    orphaned.unref();
    const cleanUp = () => {
      clearInterval(orphaned);
      for (const signal of signals) process.off(signal, pass);
    };
    child.once("error", (error) => {
      cleanUp();
      reject(error);
    });
    child.once("exit", (code, signal) => {
      cleanUp();
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}
