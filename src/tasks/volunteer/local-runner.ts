// Runs one task in this thread: finds its kind, fetches the tiles of its input, and checks the size of its output.
import { sha256 } from "@noble/hashes/sha2.js";
import type { Task } from "../../protocol/task-frames.ts";
import { bytesEqual, concatBytes } from "../../shared/bytes.ts";
import { errorCode, ManyhandsError } from "../../shared/errors.ts";
import type { Bytes, OfferedKind, RunContext, RunnableKind } from "../task-kind.ts";

/** Port: computes tasks for a volunteer, in this thread or in a worker. */
export interface TaskRunner {
  readonly kinds: readonly OfferedKind[];
  /**
   * Resolves with the output. Throws TASK_REFUSED for a kind or version that it does not compute, INPUT_UNAVAILABLE if
   * no peer has a tile, TASK_FAILED if the task itself fails, or the signal's reason.
   */
  run(task: Task, context: RunContext): Promise<Bytes>;
}

/** Resolves with the bytes of a tile, by its SHA-256; with undefined if no peer has it. The caller checks them. */
export type FetchTile = (
  hash: Uint8Array,
  sizeBytes: number,
  context: Pick<RunContext, "signal" | "requester">,
) => Promise<Bytes | undefined>;

export class LocalRunner implements TaskRunner {
  readonly kinds: readonly RunnableKind[];
  readonly #fetchTile: FetchTile | undefined;

  constructor(kinds: readonly RunnableKind[], fetchTile?: FetchTile) {
    this.kinds = kinds;
    this.#fetchTile = fetchTile;
  }

  async run(task: Task, context: RunContext): Promise<Bytes> {
    const kind = this.kinds.find(({ name, version }) => name === task.kind && version === task.version);
    if (kind === undefined) throw new ManyhandsError("TASK_REFUSED", `tasks of kind ${task.kind} ${task.version} are not computed here`);
    const input = await this.#read(task.input, context);
    let output: Bytes;
    try {
      output = await kind.run({ params: task.params, input }, { ...context, limits: task.limits });
    } catch (error) {
      context.signal.throwIfAborted();
      if (errorCode(error) === "INPUT_UNAVAILABLE") throw error; // the kind fetches tiles itself, which another machine may get
      // The kind's schemas refused the task, or its program failed: that is the same on every machine.
      throw new ManyhandsError("TASK_FAILED", error instanceof Error ? error.message : "the task threw", { cause: error });
    }
    if (output.byteLength > task.limits.outputBytes) throw new ManyhandsError("TASK_FAILED", "the output is over the task's limit");
    return output;
  }

  async #read(input: Task["input"], context: RunContext): Promise<Bytes> {
    if (input.kind === "inline") return input.bytes;
    const tiles: Bytes[] = [];
    for (const { hash, sizeBytes } of input.tiles) {
      const bytes = await this.#fetchTile?.(hash, sizeBytes, context);
      if (bytes === undefined || bytes.byteLength !== sizeBytes || !bytesEqual(sha256(bytes), hash))
        throw new ManyhandsError("INPUT_UNAVAILABLE", "no peer gave a tile of the task");
      tiles.push(bytes);
      context.progress();
    }
    return concatBytes(tiles);
  }
}
