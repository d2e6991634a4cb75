// The sandbox as it is shipped: minified, under the headers that the relay sends, with the page's own policy around it.
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect, test } from "@playwright/test";
import { build, type Rolldown } from "vite";
import { headersFor } from "../../relay/headers.ts";
import type { FrameSandbox } from "../../src/tasks/frame-sandbox.browser.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
let server: Server;
let address: string;
const asked: string[] = [];

test.beforeAll(async () => {
  const entry = path.join(ROOT, "src/tasks/frame-sandbox.browser.ts");
  const built = await build({
    configFile: false,
    logLevel: "error",
    build: { write: false, minify: "oxc", target: "chrome123", lib: { entry, formats: ["es"], fileName: "sandbox" } },
  });
  const [output] = built as Rolldown.RolldownOutput[]; // one format: a list of one
  const files: Readonly<Record<string, readonly [type: string, body: string]>> = {
    "/": ["text/html", "<!doctype html><body></body>"],
    "/assets/code.js": ["text/javascript", output?.output[0].code ?? ""],
    "/sandbox.html": ["text/html", await readFile(path.join(ROOT, "public/sandbox.html"), "utf8")],
  };
  server = createServer((request, response) => {
    const name = request.url ?? "/";
    asked.push(name);
    const [type, body] = files[name] ?? ["text/plain", ""];
    response.writeHead(files[name] === undefined ? 404 : 200, { ...headersFor(name, request.headers.host ?? ""), "content-type": type });
    response.end(body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
});
test.afterAll(() => {
  server.close();
});

test("a program computes, and reaches nothing, in the shipped sandbox", async ({ page }) => {
  await page.goto(address);
  const run = (source: string): Promise<string> =>
    page.evaluate(async (text) => {
      const code = (await import(`${location.origin}/assets/code.js`)) as { FrameSandbox: typeof FrameSandbox };
      const sandbox = new code.FrameSandbox("/sandbox.html");
      const limits = { memoryBytes: 65_536, outputBytes: 65_536 };
      const [output] = await sandbox.run({ language: "js", source: text }, ["20"], limits, {
        signal: AbortSignal.timeout(10_000),
        progress: () => {},
      });
      return String(output);
    }, source);
  expect(await run("(x) => 2 * x + 2")).toBe("42");
  const before = asked.length;
  expect(await run(`async () => { try { await import("${address}/stolen.js"); return "found"; } catch { return "none"; } }`)).toBe(
    '"none"',
  );
  expect(await run(`() => typeof fetch + typeof WebSocket + typeof Worker + typeof indexedDB`)).toBe(`"${"undefined".repeat(4)}"`);
  expect(asked.slice(before).filter((name) => !["/sandbox.html", "/assets/code.js"].includes(name))).toEqual([]);
});
