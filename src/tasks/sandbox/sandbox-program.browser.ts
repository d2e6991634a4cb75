// What runs inside the sandbox's worker. Its source text is sent there, so it stands alone: nothing outside the function is used.
import type { BufferAccount } from "./cap-buffers.browser.ts";

/** What the worker is told, once. */
export interface SandboxJob {
  readonly program:
    | { readonly language: "js"; readonly source: string }
    | { readonly language: "wasm"; readonly module: Uint8Array<ArrayBuffer> };
  readonly inputs: readonly (string | Uint8Array<ArrayBuffer>)[];
  readonly memoryBytes: number;
  readonly outputBytes: number;
  readonly allowed: readonly string[];
}

/** What it answers. */
export type SandboxWord =
  | { readonly kind: "progress" }
  | { readonly kind: "output"; readonly value: string | Uint8Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly message: string };

/** Globals that a program sees: what computes, and nothing that reaches out, tells the time, draws chance, or starts anything. */
export const ALLOWED_GLOBALS: readonly string[] = Object.freeze(
  (
    "globalThis Infinity NaN undefined eval isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI encodeURIComponent " +
    "Object Function Boolean Symbol Number BigInt Math String RegExp Array Map Set WeakMap WeakSet JSON Promise Proxy Reflect Iterator " +
    "Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError ArrayBuffer DataView " +
    "Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array Float32Array Float64Array"
  ).split(" "),
);

/** To be called in a fresh worker, by its source text and that of `cap-buffers.browser.ts`. */
export function sandboxMain(capBuffers: (scope: object, memoryBytes: number) => BufferAccount): void {
  const PROGRESS_MS = 50;
  const scope = globalThis as unknown as Record<string, unknown> & { onmessage: ((event: MessageEvent<SandboxJob>) => void) | null };
  const { WebAssembly, JSON, Object, Reflect, Uint8Array, Math, performance } = globalThis;
  const stringify = JSON.stringify.bind(JSON);
  const parse = JSON.parse.bind(JSON);
  // oxlint-disable-next-line no-eval -- a stranger's program is text, and this is the place made for it
  const evaluate = globalThis.eval;
  const now = performance.now.bind(performance);

  /** A turn of the worker's own loop, which lets it forget what is weakly held. */
  const { port1, port2 } = new MessageChannel();
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      port1.onmessage = () => resolve();
      port2.postMessage(0);
    });

  /** Takes away every global that is not allowed; answers what would not go. */
  const strip = (allowed: readonly string[]): string[] => {
    const kept = new Set<PropertyKey>(allowed);
    const left: string[] = [];
    for (let at: object | null = scope; at !== null && at !== Object.prototype; at = Reflect.getPrototypeOf(at))
      for (const key of Reflect.ownKeys(at)) {
        const isGone = kept.has(key) || Reflect.deleteProperty(at, key);
        if (!isGone && typeof scope[key as string] !== "number") left.push(String(key)); // a constant does no harm
      }
    Reflect.deleteProperty(Math, "random"); // replicas would differ
    return left;
  };

  const runFunction = async (
    source: string,
    account: BufferAccount | undefined,
    inputs: readonly unknown[],
    tell: (text: string) => void,
    progress: () => unknown,
  ): Promise<void> => {
    await turn();
    const program: unknown = evaluate(`"use strict";(${source}\n)`);
    if (typeof program !== "function") throw new TypeError("the program is not a function");
    for (const input of inputs) {
      const text: unknown = stringify(await program(parse(input as string), progress));
      if (typeof text !== "string") throw new TypeError("the output is not JSON");
      tell(text);
      if (account?.turn() === true) await turn();
    }
  };

  const runModule = async (
    bytes: Uint8Array<ArrayBuffer>,
    job: SandboxJob,
    inputs: readonly unknown[],
    tell: (output: Uint8Array<ArrayBuffer>) => void,
  ): Promise<void> => {
    const { exports } = new WebAssembly.Instance(await WebAssembly.compile(bytes), {});
    const { memory, alloc, run } = exports;
    if (!(memory instanceof WebAssembly.Memory) || typeof alloc !== "function" || typeof run !== "function")
      throw new TypeError("the module exports no memory, alloc and run");
    for (const input of inputs as readonly Uint8Array<ArrayBuffer>[]) {
      const pointer = (alloc as (length: number) => number)(input.byteLength) >>> 0;
      new Uint8Array(memory.buffer).set(input, pointer);
      const packed: unknown = (run as (pointer: number, length: number) => unknown)(pointer, input.byteLength);
      if (typeof packed !== "bigint") throw new TypeError("run answers an i64");
      const length = Number(packed & 0xffffffffn);
      const from = Number((packed >> 32n) & 0xffffffffn);
      if (length > job.outputBytes || from + length > memory.buffer.byteLength)
        throw new RangeError("the output is over its limit or outside memory");
      tell(new Uint8Array(memory.buffer, from, length).slice());
    }
  };

  scope.onmessage = ({ data: job, ports: [port] }) => {
    scope.onmessage = null;
    if (port === undefined) return;
    const post = port.postMessage.bind(port) as (word: SandboxWord) => void;
    let told = 0;
    let progressMs = 0;
    const tell = (value: string | Uint8Array<ArrayBuffer>): void => {
      told += typeof value === "string" ? value.length : value.byteLength;
      if (told > job.outputBytes) throw new RangeError("the output is over its limit");
      post({ kind: "output", value });
    };
    /** A program that waits for it lets the worker forget the buffers that it has dropped. */
    const progress = (): Promise<void> | undefined => {
      const ms = now();
      if (ms - progressMs < PROGRESS_MS) return undefined; // a program that calls it in a loop would flood the page
      progressMs = ms;
      post({ kind: "progress" });
      return account?.turn() === true ? turn() : undefined;
    };
    const fail = (error: unknown): void => {
      let message = "the program threw";
      try {
        message = String((error as { message: unknown }).message).slice(0, 300);
      } catch {
        // what it threw cannot be read: that says enough
      }
      post({ kind: "failed", message });
    };
    const { program, inputs } = job;
    const account = program.language === "js" ? capBuffers(scope, job.memoryBytes) : undefined;
    const left = strip(job.allowed);
    if (left.length > 0) {
      post({ kind: "failed", message: `this browser keeps ${left.join(" ")}` });
      return;
    }
    const work =
      program.language === "js"
        ? runFunction(program.source, account, inputs, tell, progress)
        : runModule(program.module, job, inputs, tell);
    work.then(undefined, fail);
  };
}
