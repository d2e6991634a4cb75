// The code inside the sandbox's worker, which runs the program. Its source text is sent there, so `sandboxMain` uses
// nothing outside itself.
import type { BufferAccount } from "./cap-buffers.browser.ts";

/** The one message to the worker. */
export interface SandboxJob {
  readonly program:
    | { readonly language: "js"; readonly source: string }
    | { readonly language: "wasm"; readonly module: Uint8Array<ArrayBuffer> };
  readonly inputs: readonly (string | Uint8Array<ArrayBuffer>)[];
  readonly memoryBytes: number;
  readonly outputBytes: number;
  readonly allowed: readonly string[];
}

/** A message from the worker. */
export type SandboxWord =
  | { readonly kind: "progress" }
  | { readonly kind: "output"; readonly value: string | Uint8Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly message: string };

/**
 * Globals that a program sees: those that compute. None reaches out, gives the time or random numbers, or starts
 * anything.
 */
export const ALLOWED_GLOBALS: readonly string[] = Object.freeze(
  (
    "globalThis Infinity NaN undefined eval isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI encodeURIComponent " +
    "Object Function Boolean Symbol Number BigInt Math String RegExp Array Map Set WeakMap WeakSet JSON Promise Proxy Reflect Iterator " +
    "Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError ArrayBuffer DataView " +
    "Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array Float32Array Float64Array"
  ).split(" "),
);

/** To be evaluated in a fresh worker, as source text, with the text of `cap-buffers.browser.ts` as its argument. */
export function sandboxMain(capBuffers: (scope: object, memoryBytes: number) => BufferAccount): void {
  const PROGRESS_MS = 50;
  const scope = globalThis as unknown as Record<string, unknown> & { onmessage: ((event: MessageEvent<SandboxJob>) => void) | null };
  const { WebAssembly, JSON, Object, Reflect, Uint8Array, Math, performance } = globalThis;
  const stringify = JSON.stringify.bind(JSON);
  const parse = JSON.parse.bind(JSON);
  // oxlint-disable-next-line no-eval -- a stranger's program is text, and this is the place made for it
  const evaluate = globalThis.eval;
  const now = performance.now.bind(performance);

  /**
   * Resolves after a turn of the worker's event loop: between turns the engine drops objects that are only weakly held.
   */
  const { port1, port2 } = new MessageChannel();
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      port1.onmessage = () => resolve();
      port2.postMessage(0);
    });

  /** Deletes every global that is not allowed. Returns the names of those that cannot be deleted. */
  const strip = (allowed: readonly string[]): string[] => {
    const kept = new Set<PropertyKey>(allowed);
    const left: string[] = [];
    for (let at: object | null = scope; at !== null && at !== Object.prototype; at = Reflect.getPrototypeOf(at))
      for (const key of Reflect.ownKeys(at)) {
        const isGone = kept.has(key) || Reflect.deleteProperty(at, key);
        if (!isGone && typeof scope[key as string] !== "number") left.push(String(key)); // a numeric constant does no harm
      }
    Reflect.deleteProperty(Math, "random"); // replicas would differ
    return left;
  };

  const runFunction = async (
    source: string,
    account: BufferAccount | undefined,
    inputs: readonly unknown[],
    output: (text: string) => void,
    progress: () => unknown,
  ): Promise<void> => {
    await turn();
    const program: unknown = evaluate(`"use strict";(${source}\n)`);
    if (typeof program !== "function") throw new TypeError("the program is not a function");
    for (const input of inputs) {
      const text: unknown = stringify(await program(parse(input as string), progress));
      if (typeof text !== "string") throw new TypeError("the output is not JSON");
      output(text);
      if (account?.turn() === true) await turn();
    }
  };

  const runModule = async (
    bytes: Uint8Array<ArrayBuffer>,
    job: SandboxJob,
    inputs: readonly unknown[],
    output: (bytes: Uint8Array<ArrayBuffer>) => void,
  ): Promise<void> => {
    const { exports } = new WebAssembly.Instance(await WebAssembly.compile(bytes), {});
    const { memory, alloc, run } = exports;
    if (!(memory instanceof WebAssembly.Memory) || typeof alloc !== "function" || typeof run !== "function")
      throw new TypeError("the module exports no memory, alloc and run");
    for (const input of inputs as readonly Uint8Array<ArrayBuffer>[]) {
      const pointer = (alloc as (length: number) => number)(input.byteLength) >>> 0;
      new Uint8Array(memory.buffer).set(input, pointer);
      const packed: unknown = (run as (pointer: number, length: number) => unknown)(pointer, input.byteLength);
      if (typeof packed !== "bigint") throw new TypeError("run returns an i64");
      const length = Number(packed & 0xffffffffn);
      const from = Number((packed >> 32n) & 0xffffffffn);
      if (length > job.outputBytes || from + length > memory.buffer.byteLength)
        throw new RangeError("the output is over its limit or outside memory");
      output(new Uint8Array(memory.buffer, from, length).slice());
    }
  };

  scope.onmessage = ({ data: job, ports: [port] }) => {
    scope.onmessage = null;
    if (port === undefined) return;
    const post = port.postMessage.bind(port) as (word: SandboxWord) => void;
    let outputSize = 0;
    let progressMs = 0;
    const output = (value: string | Uint8Array<ArrayBuffer>): void => {
      outputSize += typeof value === "string" ? value.length : value.byteLength;
      if (outputSize > job.outputBytes) throw new RangeError("the output is over its limit");
      post({ kind: "output", value });
    };
    /** If the program awaits the returned promise, the engine can free the buffers that the program has dropped. */
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
        // the message cannot be read: the default says enough
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
    const running =
      program.language === "js"
        ? runFunction(program.source, account, inputs, output, progress)
        : runModule(program.module, job, inputs, output);
    running.then(undefined, fail);
  };
}
