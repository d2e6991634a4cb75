// A sandbox made of parts of the browser: a worker inside a frame without an origin, under a policy that allows no
// network. Each run gets a fresh frame, which is removed at the end with everything in it.
import * as v from "valibot";
import { ManyhandsError } from "../../shared/errors.ts";
import type { TaskLimits } from "../../protocol/task-frames.ts";
import type { Program, ProgramValue, Sandbox } from "./sandbox.ts";
import { capBuffers } from "./cap-buffers.browser.ts";
import { ALLOWED_GLOBALS, type SandboxJob, sandboxMain } from "./sandbox-program.browser.ts";
import type { RunContext } from "../task-kind.ts";
import { wasmMemoryBytes } from "./wasm-limits.ts";

const Word = v.variant("kind", [
  v.strictObject({ kind: v.literal("progress") }),
  v.strictObject({ kind: v.literal("output"), value: v.union([v.string(), v.instance(Uint8Array<ArrayBuffer>)]) }),
  v.strictObject({ kind: v.literal("failed"), message: v.pipe(v.string(), v.maxLength(300)) }),
]);

const failed = (message: string): ManyhandsError => new ManyhandsError("TASK_FAILED", message);

export class FrameSandbox implements Sandbox {
  readonly #page: string;
  readonly #document: Document;

  /** `page`: address of `sandbox.html`; the policy of that page is the wall. */
  constructor(page: string, document: Document = globalThis.document) {
    this.#page = page;
    this.#document = document;
  }

  async run(
    program: Program,
    inputs: readonly ProgramValue[],
    limits: Pick<TaskLimits, "memoryBytes" | "outputBytes">,
    { signal, progress }: RunContext,
  ): Promise<readonly ProgramValue[]> {
    signal.throwIfAborted();
    if (program.language === "wasm" && wasmMemoryBytes(program.module) > limits.memoryBytes)
      throw failed("the module may grow past the task's memory");
    const frame = this.#document.createElement("iframe");
    const { port1, port2 } = new MessageChannel();
    const over = Promise.withResolvers<readonly ProgramValue[]>();
    const onAbort = (): void => over.reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    const outputs: ProgramValue[] = [];
    let bytes = 0;
    port1.onmessage = ({ data }: MessageEvent<unknown>) => {
      const word = v.safeParse(Word, data);
      if (!word.success) return over.reject(failed("the program sent a message of another form"));
      if (word.output.kind === "failed") return over.reject(failed(word.output.message));
      progress();
      if (word.output.kind === "progress") return;
      const { value } = word.output;
      bytes += value.length;
      if (bytes > limits.outputBytes || outputs.length >= inputs.length || (typeof value === "string") !== (program.language === "js"))
        return over.reject(failed("the program's output is too large, or of another type"));
      outputs.push(value);
      if (outputs.length === inputs.length) over.resolve(outputs);
    };
    try {
      if (inputs.length === 0) return [];
      frame.setAttribute("sandbox", "allow-scripts"); // no allow-same-origin: the frame has an origin of its own
      frame.setAttribute("allow", ""); // no camera, no position, no other permission
      frame.setAttribute("referrerpolicy", "no-referrer");
      frame.style.display = "none";
      frame.src = this.#page;
      frame.addEventListener("load", () => {
        const job: SandboxJob = { program, inputs, ...pick(limits), allowed: ALLOWED_GLOBALS };
        frame.contentWindow?.postMessage({ source: `(${sandboxMain.toString()})(${capBuffers.toString()})`, job }, "*", [port2]); // "*": its origin has no name
      });
      frame.addEventListener("error", () => over.reject(failed("the sandbox could not be loaded")));
      this.#document.body.append(frame);
      return await over.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      port1.close();
      frame.remove();
    }
  }
}

const pick = ({ memoryBytes, outputBytes }: Pick<TaskLimits, "memoryBytes" | "outputBytes">) => ({ memoryBytes, outputBytes });
