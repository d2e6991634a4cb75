// The relay as a program: help, bad options, a port that is taken, signals, and a key that stays the same.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readCommand } from "../../relay/config.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "manyhands-main-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Resolves with the page's address once it is printed. */
  readonly ready: Promise<string>;
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(process.execPath, ["relay/main.ts", "--data", dir, ...args], { env: { ...process.env, ...env } });
  let output = "";
  const ready = Promise.withResolvers<string>();
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
    const url = /http:\/\/\S+/.exec(output)?.[0];
    if (url !== undefined && output.includes("Ctrl+C")) ready.resolve(url);
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return { child, output: () => output, ready: ready.promise, exit };
}

test("--help names every option", async () => {
  const { exit, output } = run(["--help"]);
  expect(await exit).toEqual({ code: 0, signal: null });
  for (const flag of ["--port", "--host", "--name", "--stun", "--site", "--models", "--data", "--ledger", "--verbose"]) {
    expect(output()).toContain(flag);
  }
});

test.each([
  [["--port", "many"], /--port wants/],
  [["--port", "70000"], /--port wants 0 to 65535/],
  [["--nonsense"], /Unknown option '--nonsense'/],
  [["--name", "x".repeat(100)], /--name wants at most 80/],
  [["--stun", "http://x"], /--stun wants a stun:/],
  [["--ledger", "mysql://host/db"], /--ledger wants a file or postgres/],
  [["file"], /Unexpected argument/],
])("%j is refused, with a message that says what to change", (args, message) => {
  expect(() => readCommand(args, {})).toThrow(expect.objectContaining({ code: "BAD_INPUT", message: expect.stringMatching(message) }));
});

test("the environment sets options that no flag sets", () => {
  const env = { MANYHANDS_PORT: "9000", MANYHANDS_NAME: "env", MANYHANDS_MODELS: "a,b", MANYHANDS_VERBOSE: "1" };
  expect(readCommand(["--name", "flag"], env)).toMatchObject({
    kind: "run",
    config: { port: 9000, name: "flag", models: ["a", "b"], verbose: true, host: "127.0.0.1" },
  });
  expect(() => readCommand([], { MANYHANDS_PORT: "x" })).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
});

test("a bad option ends the program with exit code 2 and one line", async () => {
  const { exit, output } = run(["--port", "many"]);
  expect((await exit).code).toBe(2);
  expect(output().trim().split("\n").length).toBe(1);
});

test("if its port is taken, the relay uses the next one and says so; a signal ends it within two seconds; its key stays", async () => {
  const blocker = createServer();
  await new Promise<void>((resolve) => {
    blocker.listen(0, "127.0.0.1", resolve);
  });
  const address = blocker.address();
  const taken = typeof address === "object" && address !== null ? address.port : 0;
  const peerIds: unknown[] = [];
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const { child, ready, exit, output } = run(["--port", String(taken)]);
    const url = await ready;
    expect(output()).toContain(`Port ${taken} is taken`);
    expect(Number(new URL(url).port)).toBeGreaterThan(taken);
    peerIds.push(((await (await fetch(new URL("/api/bootstrap", url))).json()) as { peerId: unknown }).peerId);
    const asked = performance.now();
    child.kill(signal);
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked).toBeLessThan(2000);
  }
  expect(peerIds[0]).toBe(peerIds[1]);
  blocker.close();
});

test("a damaged key is reported and not replaced", async () => {
  const damaged = await mkdtemp(join(tmpdir(), "manyhands-key-"));
  await writeFile(join(damaged, "relay.key"), "nonsense");
  const { exit, output } = run(["--port", "0", "--data", damaged]);
  expect((await exit).code).toBe(2);
  expect(output()).toContain("relay.key");
  await rm(damaged, { recursive: true, force: true });
});
