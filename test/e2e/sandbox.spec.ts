// The sandbox as it is shipped: minified, with the headers that the relay sends, and under the page's own policy.
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type Browser, expect, test } from "@playwright/test";
import { build, type Rolldown } from "vite";
import { headersFor } from "../../relay/http/headers.ts";
import type { FrameSandbox } from "../../src/tasks/sandbox/frame-sandbox.browser.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
let server: Server;
let address: string;
const requested: string[] = [];

test.beforeAll(async () => {
  const entry = path.join(ROOT, "src/tasks/sandbox/frame-sandbox.browser.ts");
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
    requested.push(name);
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
  const before = requested.length;
  expect(await run(`async () => { try { await import("${address}/stolen.js"); return "found"; } catch { return "none"; } }`)).toBe(
    '"none"',
  );
  expect(await run(`() => typeof fetch + typeof WebSocket + typeof Worker + typeof indexedDB`)).toBe(`"${"undefined".repeat(4)}"`);
  expect(requested.slice(before).filter((name) => !["/sandbox.html", "/assets/code.js"].includes(name))).toEqual([]);
});

/** Resolves with the bytes that all renderers of the browser hold. Only Linux reports them. */
async function rendererBytes(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const sizes = processInfo
    .filter(({ type }) => type === "renderer")
    .map(async ({ id }) => {
      const status = await readFile(`/proc/${id}/status`, "utf8").catch(() => ""); // the process has ended meanwhile
      return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

const BOMBS = {
  buffers: "() => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); }",
  objects: "() => { const all = []; for (;;) all.push({ a: [1, 2, 3] }); }",
  strings: `() => { const all = []; for (let n = 0; ; n++) all.push((n + "abc").repeat(1000).split("").join("-")); }`,
};

test.describe("a bomb", () => {
  // If other programs take the machine for a while, every page stalls: in one of three tries this one must not.
  test.describe.configure({ retries: 2 });
  for (const [name, bomb] of Object.entries(BOMBS))
    test(`of ${name} leaves the page its frames, and its memory goes`, async ({ page, browser }) => {
      test.skip(process.platform !== "linux", "only Linux reports how much memory a process holds");
      await page.goto(address);
      const run = (source: string): Promise<{ readonly outcome: string; readonly gapMs: number; readonly idleMs: number }> =>
        page.evaluate(async (text) => {
          const code = (await import(`${location.origin}/assets/code.js`)) as { FrameSandbox: typeof FrameSandbox };
          const sandbox = new code.FrameSandbox("/sandbox.html");
          // An idle worker beside the page: if both wait, the machine is slow, and not the page.
          const idle = new Worker(
            URL.createObjectURL(
              new Blob([
                "let last = performance.now(); setInterval(() => { const now = performance.now(); postMessage(now - last); last = now; }, 10);",
              ]),
            ),
          );
          let idleMs = 0;
          idle.onmessage = ({ data }: MessageEvent<number>) => (idleMs = Math.max(idleMs, data));
          let gapMs = 0;
          let lastMs = performance.now();
          const stop = new AbortController();
          const frame = (): void => {
            gapMs = Math.max(gapMs, performance.now() - lastMs);
            lastMs = performance.now();
            if (!stop.signal.aborted) requestAnimationFrame(frame);
          };
          requestAnimationFrame(frame);
          const limits = { memoryBytes: 64 * 1024 * 1024, outputBytes: 65_536 };
          const outcome = await sandbox
            .run({ language: "js", source: text }, ["20"], limits, { signal: AbortSignal.timeout(1000), progress: () => {} })
            .then(
              () => "done",
              (error: unknown) => String(error),
            );
          stop.abort();
          idle.terminate();
          return { outcome, gapMs, idleMs };
        }, source);
      expect((await run("(x) => x")).outcome).toBe("done"); // from here on all code is loaded
      const before = await rendererBytes(browser);
      const { outcome, gapMs, idleMs } = await run(bomb);
      expect(outcome).toMatch(name === "buffers" ? /buffers are over|Timeout/ : /Timeout/);
      expect(gapMs).toBeLessThan(100 + idleMs);
      await expect.poll(() => rendererBytes(browser), { timeout: 20_000 }).toBeLessThan(before + 48 * 1024 * 1024);
      expect((await run("(x) => x")).outcome).toBe("done");
    });
});
