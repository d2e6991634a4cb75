// The examples of the documentation, run as a reader runs them: in Node, with a real relay and real tabs that lend.
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { crc32, inflateSync } from "node:zlib";
import { volunteersOf } from "../../tools/browser/relay-swarm.ts";
import { hashOf } from "../support/checked-tasks.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { greedyUnsplit, tokenizer } from "../support/unsplit.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const EXAMPLES = path.join(ROOT, "docs/examples");

/** Resolves with the output of the example. Rejects if it fails, or does not end by itself. */
function run(name: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(EXAMPLES, name), ...args], { cwd: ROOT, timeout: 120_000 });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code, signal) =>
      code === 0 ? resolve(output) : reject(new Error(`${name} ended with ${code ?? signal}:\n${output}\n${errors}`)),
    );
  });
}

test("each example runs, ends by itself, and prints the right result", async ({ relay, openTab, folder }) => {
  test.setTimeout(400_000);
  const tabs = [await openTab(), await openTab()];
  for (const tab of tabs) await tab.lend();
  await expect.poll(() => volunteersOf(relay).length).toBe(2);
  const ran = new Set<string>();
  const example = async (name: string, check: (output: string) => unknown, ...args: readonly string[]): Promise<void> => {
    ran.add(name);
    await test.step(name, async () => check(await run(name, relay.url, ...args)));
  };

  await example("sum.ts", (output) => {
    let total = 0n;
    for (let at = 1n; at <= 1_000_000n; at++) total += at ** 3n;
    expect(output).toContain(`The sum of the first million cubes is ${total}.`);
    expect(output).toMatch(/^\d+ tasks, \d+ of them computed twice/m);
  });

  await example("map-function.ts", (output) => {
    const steps = (at: number): number => (at === 1 ? 0 : 1 + steps(at % 2 === 0 ? at / 2 : 3 * at + 1));
    const best = Array.from({ length: 2000 }, (_, at) => at + 1).reduce((most, at) => (steps(at) > steps(most) ? at : most), 1);
    expect(output.trim()).toBe(`Up to 2000, ${best} takes the most steps to come down to 1: ${steps(best)}.`);
  });

  await example("map-wasm.ts", (output) => expect(output.trim().split("\n").toSorted()).toEqual([":111", "HAL", "correct"].toSorted()));

  const picture = path.join(folder, "picture.png");
  await example(
    "render-png.ts",
    async (output) => {
      expect(output).toContain("320 by 200 pixels");
      const { width, height, pixels } = readPng(await readFile(picture));
      expect([width, height]).toEqual([320, 200]);
      const colours = new Set(Array.from({ length: width * height }, (_, at) => pixels.readUInt32BE(4 * at)));
      expect(colours.size).toBeGreaterThan(1000); // a picture, and not one colour
    },
    picture,
  );

  const prompt = "Once upon a time";
  await example(
    "generate.ts",
    async (output) => {
      const [tokens = []] = await greedyUnsplit([prompt], 40);
      expect(output).toContain(tokenizer.decode(tokens));
      expect(output).toMatch(/^Over \d tabs:/);
    },
    prompt,
  );

  await example("balance.ts", (output) => {
    expect(output).toContain(`2000 hashes, the first ${hashOf(new TextEncoder().encode("item 0")).toString("hex")}.`);
    expect(output).toMatch(/^Account 12D3Koo\w+: 0\.000 credits, 2000\.000 of its first allowance\.$/m);
    expect(output).toContain("Reserved for the job: 0.100 credits.");
  });

  expect([...ran].toSorted(), "every example is run here").toEqual(
    (await readdir(EXAMPLES)).filter((name) => name.endsWith(".ts")).toSorted(),
  );
});

test("without a relay an example says what is wrong, and ends", async () => {
  await expect(run("sum.ts", "http://127.0.0.1:9/")).rejects.toThrow(/The relay at http:\/\/127\.0\.0\.1:9 does not answer/);
  await expect(run("sum.ts", "relay.example")).rejects.toThrow(/"relay\.example" is not the address of a relay/);
});

/** Reads the part of PNG that the example writes: one IDAT of rows without a filter. */
function readPng(file: Buffer): { width: number; height: number; pixels: Buffer } {
  expect(file.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < file.byteLength;) {
    const length = file.readUInt32BE(at);
    const named = file.subarray(at + 4, at + 8 + length);
    expect(file.readUInt32BE(at + 8 + length)).toBe(crc32(named));
    chunks.set(named.subarray(0, 4).toString(), named.subarray(4));
    at += 12 + length;
  }
  const header = chunks.get("IHDR") ?? Buffer.alloc(13);
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const rows = inflateSync(chunks.get("IDAT") ?? Buffer.alloc(0));
  expect(rows.byteLength).toBe(height * (4 * width + 1));
  return {
    width,
    height,
    pixels: Buffer.concat(Array.from({ length: height }, (_, y) => rows.subarray(y * (4 * width + 1) + 1, (y + 1) * (4 * width + 1)))),
  };
}
