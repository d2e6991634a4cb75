// Entry of `npm start`: runs the relay with the relay's flags and, with `--volunteers N`, headless tabs that lend to
// it.
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import path from "node:path";
import { findBrowser } from "./setup/browser.mjs";
import { Volunteers } from "./start-volunteers.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const RELAY = path.join(ROOT, "relay", "main.ts");

/** A relay that closes its connections in order needs far less; after this time it is killed. */
const STOP_TIMEOUT_MS = 10_000;
/** Tabs that one machine opens at most. */
const VOLUNTEERS_MAX = 64;

const HELP = `
With npm start:
  --volunteers N      also open N headless browser tabs that lend to this relay (at most ${VOLUNTEERS_MAX})`;

const say = (text: string): void => console.error(`manyhands: ${text}`);

interface Arguments {
  readonly volunteers: number;
  /** All other arguments, for the relay to read. */
  readonly relay: readonly string[];
}

function readArguments(argv: readonly string[]): Arguments | string {
  const relay: string[] = [];
  let volunteers = "0";
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? "";
    if (arg === "--volunteers") volunteers = argv[++i] ?? "";
    else if (arg.startsWith("--volunteers=")) volunteers = arg.slice("--volunteers=".length);
    else relay.push(arg);
  }
  if (/^\d+$/.test(volunteers) && Number(volunteers) <= VOLUNTEERS_MAX) return { volunteers: Number(volunteers), relay };
  return `--volunteers must be a number from 0 to ${VOLUNTEERS_MAX}, not "${volunteers}".`;
}

/**
 * Resolves with the first address in the relay's output, which is the page's; undefined if the relay ends without one.
 */
function pageAddress(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    let seen = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk);
      if (seen.length > 1_000_000) return;
      seen += chunk.toString("utf8");
      const found = /https?:\/\/[^\s"'<>,)]+(?=[\s"'<>,)])/.exec(seen)?.[0];
      if (found === undefined) return;
      // The rest of the output is only passed through.
      seen = "x".repeat(1_000_001);
      resolve(found);
    });
    child.once("exit", () => resolve(undefined));
  });
}

async function openVolunteers(count: number, address: string, signal: AbortSignal): Promise<Volunteers | undefined> {
  const browser = await findBrowser(ROOT);
  if (browser === undefined) {
    say("no browser was found, so no volunteer tab was opened; the relay goes on");
    return undefined;
  }
  const volunteers = new Volunteers({ address, count, executablePath: browser.path, say });
  try {
    await volunteers.start(signal);
  } catch (error) {
    if (!signal.aborted)
      say(`no volunteer tab could be opened (${error instanceof Error ? error.message.split("\n")[0] : String(error)}); the relay goes on`);
  }
  return volunteers;
}

/** Runs the relay in this process: its own entry reads the flags, handles signals and ends the process. */
async function runRelayHere(args: readonly string[]): Promise<number> {
  process.argv.splice(2, Infinity, ...args);
  await import("../relay/main.ts");
  if (args.includes("--help") || args.includes("-h")) console.log(HELP);
  return Number(process.exitCode ?? 0);
}

async function main(argv: readonly string[]): Promise<number> {
  const read = readArguments(argv);
  if (typeof read === "string") {
    say(read);
    return 2;
  }
  if (read.volunteers === 0 || argv.includes("--help") || argv.includes("-h")) return runRelayHere(read.relay);

  const relay = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", RELAY, ...read.relay], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    // In a process group of its own: Ctrl-C then reaches only this process, which closes the tabs before the relay.
    detached: process.platform !== "win32",
  });
  const exited = new Promise<number>((resolve, reject) => {
    relay.once("error", reject);
    relay.once("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });

  const stopping = new AbortController();
  let volunteers: Promise<Volunteers | undefined> = Promise.resolve(undefined);
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping.signal.aborted) return;
    stopping.abort(new Error("stopping"));
    await (await volunteers)?.stop();
    relay.kill(signal);
    setTimeout(() => relay.kill("SIGKILL"), STOP_TIMEOUT_MS).unref();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop(signal));

  const address = await pageAddress(relay);
  if (address !== undefined && !stopping.signal.aborted) volunteers = openVolunteers(read.volunteers, address, stopping.signal);
  const code = await exited;
  stopping.abort(new Error("the relay has stopped"));
  await (await volunteers)?.stop();
  return code;
}

process.exitCode = await main(process.argv.slice(2));
