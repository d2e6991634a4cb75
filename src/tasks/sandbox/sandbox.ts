// Port: a place where a stranger's program runs; and the form of a program.
import * as v from "valibot";
import type { TaskLimits } from "../../protocol/task-frames.ts";
import type { Bytes, RunContext } from "../task-kind.ts";

export const SANDBOX_LIMITS = Object.freeze({
  /**
   * UTF-16 code units of a function's source, and bytes of a module: either travels inside each task, beside its
   * inputs.
   */
  sourceLength: 128 * 1024,
  moduleBytes: 512 * 1024,
});

/**
 * `js`: an expression that is a function `(input, progress) => output`; it may be async, and input and output are JSON.
 * `wasm`: a module without imports that exports `memory` (with a maximum), `alloc(length) -> pointer`, and
 * `run(pointer, length) -> i64`, which returns the output's pointer in the upper 32 bits and its length in the lower.
 */
export const Program = v.variant("language", [
  v.strictObject({ language: v.literal("js"), source: v.pipe(v.string(), v.maxLength(SANDBOX_LIMITS.sourceLength)) }),
  v.strictObject({
    language: v.literal("wasm"),
    module: v.pipe(v.instance(Uint8Array), v.maxLength(SANDBOX_LIMITS.moduleBytes)),
  }),
]);
export type Program = v.InferOutput<typeof Program>;

/** JSON text for a function, bytes for a module. */
export type ProgramValue = string | Bytes;

export interface Sandbox {
  /**
   * Resolves with the outputs, in the order of the inputs. Every output, and every call of `progress` by the program,
   * is a sign of progress; the caller watches the time. Throws TASK_FAILED if the program throws or breaks a limit, or
   * the signal's reason; the program has ended by then.
   */
  run(
    program: Program,
    inputs: readonly ProgramValue[],
    limits: Pick<TaskLimits, "memoryBytes" | "outputBytes">,
    context: RunContext,
  ): Promise<readonly ProgramValue[]>;
}
