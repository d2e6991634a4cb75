// Entry of `npm start`: the relay with its own flags, and with `--volunteers N` headless tabs that lend to it.
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import path from "node:path";
import { findBrowser } from "./setup/browser.mjs";
import { Volunteers } from "./start-volunteers.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const RELAY = path.join(ROOT, "relay", "main.ts");

/** A relay that closes its connections in order is done well before; after this it is killed. */
const STOP_TIMEOUT_MS = 10_000;
/** Tabs that one person's machine is asked to open at most. */
const VOLUNTEERS_MAX = 64;

const HELP = `
With npm start:
  --volunteers N      also open N headless browser tabs that lend to this relay (at most ${VOLUNTEERS_MAX})`;

const say = (text: string): void => console.error(`manyhands: ${text}`);

interface Arguments {
  readonly volunteers: number;
  /** Everything else, for the relay to judge. */
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
  return `--volunteers wants a number from 0 to ${VOLUNTEERS_MAX}, not "${volunteers}".`;
}

/** The page's address, from the first line of the relay's output that names one. */
function pageAddress(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    let seen = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk);
      if (seen.length > 1_000_000) return;
      seen += chunk.toString("utf8");
      const found = /https?:\/\/[^\s"'<>,)]+(?=[\s"'<>,)])/.exec(seen)?.[0];
      if (found === undefined) return;
      // Enough was kept: the rest of the output only passes through.
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

/** Becomes the relay: its own entry file reads the flags, handles signals and ends the process. */
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
    // Its own group: Ctrl-C reaches us alone, and tabs close before the relay does.
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
