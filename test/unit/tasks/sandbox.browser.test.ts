// Strangers' programs in a real browser: some that compute, and forty that try to do harm. A listening server must see
// no connection.
import { beforeAll, describe, expect, inject, it } from "vitest";
import { systemClock } from "../../../src/shared/clock.ts";
import { errorCode, errorMessage } from "../../../src/shared/errors.ts";
import { FrameSandbox } from "../../../src/tasks/sandbox/frame-sandbox.browser.ts";
import { withCode } from "../../../src/tasks/kinds/find-kind.ts";
import { mapIn } from "../../../src/tasks/kinds/map.ts";
import { LocalRunner } from "../../../src/tasks/volunteer/local-runner.ts";
import type { Program } from "../../../src/tasks/sandbox/sandbox.ts";
import { runTask } from "../../../src/tasks/volunteer/run-task.ts";
import { taskOf } from "./run-whole.ts";
import { forever, GROW, LONG, RECURSE, wasmModule } from "./wasm-module.ts";

const map = withCode("map", mapIn(new FrameSandbox("/sandbox.html")));
const LIMITS = { runMs: 6000, silentMs: 1500, memoryBytes: 1024 * 1024, outputBytes: 64 * 1024 };
/**
 * A page counts as responsive if never more than this many milliseconds pass between two of its turns, beyond the
 * longest gap of an idle worker beside it: on a machine that has too much to do, both wait.
 */
const GAP_MS = 100;

function watchGaps(scope: { tell?: (ms: number) => void }): { restart(): void; longestMs(): number } {
  let longest = 0;
  let lastMs = performance.now();
  setInterval(() => {
    longest = Math.max(longest, performance.now() - lastMs);
    lastMs = performance.now();
    scope.tell?.(longest);
  }, 10);
  return { restart: () => void (longest = 0), longestMs: () => longest };
}
const page = watchGaps({});
let idleMs = 0;
let restartIdle = (): void => {};
beforeAll(() => {
  const source = `const watch = (${watchGaps.toString()})({ tell: (ms) => postMessage(ms) }); onmessage = () => watch.restart();`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  worker.onmessage = ({ data }: MessageEvent<number>) => (idleMs = data);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, not a window
  restartIdle = () => worker.postMessage(0);
  return () => worker.terminate();
});

const connections = async (): Promise<number> => Number(await (await fetch(inject("listenerCount"))).text());

/** Resolves with the output, or with the code and message of the error. */
async function outcomeOf(program: Program, input: unknown = 1, limits = LIMITS): Promise<unknown> {
  const data = { program, inputs: [input] };
  const [part] = map.split(data);
  if (part === undefined) throw new Error("one input is one part");
  const runner = new LocalRunner([map]);
  try {
    const { signal } = new AbortController();
    const output = await runTask({ runners: [runner], clock: systemClock }, taskOf(map, part, { limits }), {
      signal,
      onProgress: () => {},
    });
    return map.join(data, [output])[0];
  } catch (error) {
    if (errorCode(error) !== "TASK_FAILED") throw error;
    return `TASK_FAILED: ${errorMessage(error)}`;
  }
}
const js = (source: string): Program => ({ language: "js", source });
const wasm = (module: Uint8Array<ArrayBuffer>): Program => ({ language: "wasm", module });

describe("a program in the sandbox", () => {
  it("maps JSON by a function, async or not", async () => {
    expect(await outcomeOf(js("({ a, b }) => ({ sum: a + b })"), { a: 1, b: 2 })).toEqual({ sum: 3 });
    expect(await outcomeOf(js("async (list) => list.toReversed()"), [1, "two", null])).toEqual([null, "two", 1]);
  });

  it("maps bytes by a module", async () => {
    expect(await outcomeOf(wasm(wasmModule()), Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  });

  it("lives as long as it reports progress, and no longer than its whole time", async () => {
    const until = (ms: number): string => `async (_, progress) => { const step = async () => { for (let n = 0; n < 2e5; n++); progress(); };
      for (let n = 0; n < ${ms}; n++) await step(); return "done"; }`;
    expect(await outcomeOf(js(until(3)))).toBe("done");
    expect(await outcomeOf(js("(_, progress) => { for (;;) progress(); }"))).toMatch(/^TASK_FAILED.*longer/);
  });

  it("may make any number of buffers, as long as it drops them", async () => {
    const patient = { ...LIMITS, runMs: 20_000, silentMs: 20_000 };
    const drops = (make: string, times: number): Program =>
      js(`(at) => { let sum = 0; for (let n = 0; n < ${times}; n++) sum += ${make}[at]; return sum; }`);
    // Forty times the task's memory, in large and in small pieces.
    expect(await outcomeOf(drops("new Uint8Array(100_000).fill(1)", 500), 7, patient)).toBe(500);
    expect(await outcomeOf(drops("new Float64Array(100).fill(1)", 50_000), 7, patient)).toBe(50_000);
    const inTurns = `async (_, progress) => { let sum = 0;
      for (let n = 0; n < 50_000; n++) { sum += new Float64Array(100).fill(1)[7]; await progress(); } return sum; }`;
    expect(await outcomeOf(js(inTurns), 7, patient)).toBe(50_000);
  });

  it("has buffers that behave as outside", async () => {
    const facts = `() => [
      new Uint8Array([1, 2, 3]).map((x) => 2 * x).join(), new Float64Array(new Uint8Array([1, 2])).join(), new Uint8Array(new Set([5, 6])).join(),
      new Uint16Array(new ArrayBuffer(8), 2, 3).length, Uint8Array.of(1, 2).slice(1).join(), [...new Int8Array(2)].join(), new Uint8Array("3").length,
      new Uint8Array(2) instanceof Uint8Array, new ArrayBuffer(8) instanceof ArrayBuffer, Object.prototype.toString.call(new Uint8Array()),
      new Uint8Array(1).constructor === Uint8Array, new (class extends Uint8Array { last() { return this.at(-1); } })([4, 9]).last(),
      Uint8Array.from([3, 1, 2]).toSorted().join(), new ArrayBuffer(8, { maxByteLength: 16 }).maxByteLength, Uint8Array.BYTES_PER_ELEMENT, Uint8Array.name,
      (() => { try { return Uint8Array(1); } catch (error) { return error.name; } })(), (() => { try { return new Uint8Array(-1); } catch (error) { return error.name; } })(),
    ]`;
    expect(await outcomeOf(js(facts))).toEqual(
      // oxlint-disable-next-line no-eval -- the same expressions, outside the sandbox
      ((0, eval)(facts) as () => unknown)(),
    );
  });

  it("leaves no frame behind", async () => {
    await outcomeOf(js("(x) => x"));
    await outcomeOf(js("() => { for (;;); }"));
    expect(document.querySelectorAll("iframe[sandbox]").length).toBe(0);
  });
});

const port = inject("listenerPort");
const http = `http://127.0.0.1:${port}/`;
/** Reaches for something, and outputs whether it found anything. It has to be "none". */
const reach = (expression: string): string =>
  `async () => { try { const found = await (${expression}); return found === undefined ? "none" : "found"; } catch { return "none"; } }`;
const NONE = /^none$/;
const BUFFERS = /^TASK_FAILED: the program's buffers/;
const HUNG = /^TASK_FAILED: the task gave no sign/;
const THREW = /^TASK_FAILED: (?!this browser|the task|the sandbox)/;

const HOSTILE: readonly (readonly [name: string, program: Program, expected: RegExp])[] = [
  ["fetches", js(reach(`fetch("${http}")`)), NONE],
  ["fetches by the function's constructor", js(reach(`(() => {}).constructor("return fetch('${http}')")()`)), NONE],
  ["fetches by the async function's constructor", js(reach(`(async () => {}).constructor("return fetch('${http}')")()`)), NONE],
  ["fetches by eval", js(reach(`(0, eval)("fetch('${http}')")`)), NONE],
  [
    "opens an XMLHttpRequest",
    js(reach(`(() => { const r = new XMLHttpRequest(); r.open("GET", "${http}", false); r.send(); return 1; })()`)),
    NONE,
  ],
  ["opens a WebSocket", js(reach(`new WebSocket("ws://127.0.0.1:${port}/")`)), NONE],
  ["opens an EventSource", js(reach(`new EventSource("${http}")`)), NONE],
  ["opens a WebTransport", js(reach(`new WebTransport("https://127.0.0.1:${port}/")`)), NONE],
  ["opens a peer connection", js(reach("new RTCPeerConnection()")), NONE],
  ["imports a script", js(reach(`importScripts("${http}x.js")`)), NONE],
  ["imports a module", js(reach(`import("${http}x.js")`)), NONE],
  ["imports a module from data", js(reach(`import("data:text/javascript,export const a = 1")`)), NONE],
  ["sends a beacon", js(reach(`navigator.sendBeacon("${http}", "x")`)), NONE],
  ["opens a broadcast channel", js(reach(`new BroadcastChannel("x")`)), NONE],
  ["starts a worker", js(reach(`new Worker("data:text/javascript,1")`)), NONE],
  ["makes a blob's address", js(reach(`URL.createObjectURL(new Blob(["1"]))`)), NONE],
  ["opens IndexedDB", js(reach(`indexedDB.open("x")`)), NONE],
  ["opens the caches", js(reach(`caches.open("x")`)), NONE],
  ["reads the origin's files", js(reach("navigator.storage.getDirectory()")), NONE],
  ["reads local storage", js(reach("localStorage")), NONE],
  ["reads cookies", js(reach("document.cookie")), NONE],
  ["takes a lock", js(reach(`navigator.locks.request("x", () => 1)`)), NONE],
  ["reaches the parent", js(reach("parent")), NONE],
  ["reaches the top", js(reach("globalThis.top ?? self.top")), NONE],
  ["posts to the page", js(reach(`postMessage("x") ?? 1`)), NONE],
  ["listens to the page", js(reach(`addEventListener("message", () => {}) ?? 1`)), NONE],
  [
    "takes the port by a changed prototype",
    js(reach(`(() => { let it; Object.prototype.postMessage = function () { it = this; }; return it; })()`)),
    NONE,
  ],
  ["closes its worker", js(reach("close() ?? 1")), NONE],
  ["asks the time", js(reach("typeof Date === 'undefined' && typeof performance === 'undefined' ? undefined : 1")), NONE],
  ["draws chance", js(reach("Math.random?.() ?? globalThis.crypto")), NONE],
  ["shares memory", js(reach("new SharedArrayBuffer(8)")), NONE],
  ["asks the graphics card", js(reach("navigator.gpu.requestAdapter()")), NONE],
  ["loops for ever", js("() => { for (;;); }"), HUNG],
  ["waits for ever", js("() => new Promise(() => {})"), HUNG],
  ["loops in promises for ever", js("async () => { for (;;) await 0; }"), HUNG],
  ["loops while its output is read", js("() => ({ toJSON() { for (;;); } })"), HUNG],
  ["calls itself for ever", js("() => { const f = () => f() + 1; return f(); }"), THREW],
  ["writes a bomb of output", js(`() => "x".repeat(1e8)`), THREW],
  ["returns a circle", js("() => { const a = {}; a.a = a; return a; }"), THREW],
  ["returns a function", js("() => () => 1"), THREW],
  ["throws an error whose message cannot be read", js("() => { throw { get message() { throw this; } }; }"), THREW],
  ["is not a function", js("42"), THREW],
  ["is not a program", js("}{"), THREW],
  ["leaves its brackets", js("() => 1); (() => 2)("), THREW],
  ["has a regular expression that never ends", js(`() => /^(a+)+$/.test("a".repeat(60) + "b")`), HUNG],
  ["fills memory with bytes", js("() => { const all = []; for (;;) all.push(new Uint8Array(1 << 16).fill(1)); }"), BUFFERS],
  ["fills memory with small buffers", js("() => { const all = []; for (;;) all.push(new Float64Array(100).fill(1)); }"), BUFFERS],
  ["fills memory with copies", js("() => { const all = []; for (;;) all.push(new Uint8Array(4096).slice()); }"), BUFFERS],
  ["fills memory with sorted copies", js("() => { const all = []; for (;;) all.push(new Uint8Array(4096).toSorted()); }"), BUFFERS],
  ["fills memory by from", js("() => { const all = []; for (;;) all.push(Uint16Array.from({ length: 1e5 }, () => 7)); }"), BUFFERS],
  [
    "fills memory by a class of its own",
    js("() => { class A extends Uint8Array {} const all = []; for (;;) all.push(new A(1e6)); }"),
    BUFFERS,
  ],
  [
    "fills memory by a buffer that grows",
    js("() => { const all = []; for (;;) { const b = new ArrayBuffer(0, { maxByteLength: 1e6 }); b.resize(1e6); all.push(b); } }"),
    BUFFERS,
  ],
  [
    "fills memory by a constructor that it finds",
    js("() => { const C = new Int8Array(1).constructor; const all = []; for (;;) all.push(Reflect.construct(C, [1e6], C)); }"),
    BUFFERS,
  ],
  ["fills memory in turns", js("async () => { const all = []; for (;;) { all.push(new Uint8Array(1e5)); await 0; } }"), BUFFERS],
  ["wants one buffer of 4 GiB", js("() => new Uint8Array(2 ** 32).length"), BUFFERS],
  ["breaks the array's iterator", js("() => { Array.prototype[Symbol.iterator] = () => { for (;;); }; return [...[1]]; }"), HUNG],
  ["is a module that is not one", wasm(Uint8Array.of(1, 2, 3)), THREW],
  ["is a module that loops", wasm(wasmModule({ run: forever() })), HUNG],
  ["is a module that grows", wasm(wasmModule({ run: forever(GROW) })), HUNG],
  ["is a module that wants more memory than the task may have", wasm(wasmModule({ memory: [1, 1, 0x80, 1] })), THREW],
  ["is a module that calls itself for ever", wasm(wasmModule({ run: RECURSE })), THREW],
  ["is a module with an output of 2 GiB", wasm(wasmModule({ run: LONG })), THREW],
];

describe("a hostile program", () => {
  // If other processes take the machine for a while, a page stalls whatever it does: at least one of three tries has to
  // pass.
  it.each(HOSTILE)("that %s is contained", { retry: 2 }, async (_name, program, expected) => {
    page.restart();
    restartIdle();
    const input = program.language === "wasm" ? Uint8Array.of(1) : 1;
    expect(String(await outcomeOf(program, input))).toMatch(expected);
    expect(page.longestMs()).toBeLessThan(GAP_MS + idleMs);
    expect(document.querySelectorAll("iframe[sandbox]").length).toBe(0);
    expect(await connections()).toBe(0);
  });

  it("is one of at least forty", () => {
    expect(HOSTILE.length).toBeGreaterThanOrEqual(40);
  });
});

it("the listening server does count connections", async () => {
  await fetch(http);
  expect(await connections()).toBeGreaterThan(0);
});
