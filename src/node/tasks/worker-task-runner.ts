// The page's side of its worker for tasks: started with the first task, ended after a while of none, or when a task hangs in it.
import { offerOf, PLAIN_KINDS } from "../../tasks/kinds/find-kind.ts";
import type { FetchTile, TaskRunner } from "../../tasks/volunteer/local-runner.ts";
import type { Task } from "../../protocol/task-frames.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { OfferedKind, RunContext } from "../../tasks/task-kind.ts";
import type { FromTaskWorker, ToTaskWorker } from "./task-contract.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds without a task after which the worker and what it has loaded are freed. */
  idleMs: 60_000,
  /** Milliseconds that a task which nobody wants any more gets to end: past them its worker is ended with it. */
  endMs: 250,
  /** Milliseconds for one tile from all who may have it. */
  fetchMs: 30_000,
  /** Milliseconds between words of progress on behalf of a model's run, during which the worker cannot speak, or while it waits for tiles. */
  modelProgressMs: 1000,
});

type Bytes = Uint8Array<ArrayBuffer>;

interface Run {
  readonly resolve: (output: Bytes) => void;
  readonly reject: (error: Error) => void;
  readonly context: RunContext;
}

export interface WorkerTaskRunnerDeps {
  /** Bytes of a tile, checked; undefined where nobody has it. */
  readonly fetchTile: FetchTile;
  readonly clock: Clock;
}

export class WorkerTaskRunner implements TaskRunner {
  readonly #kinds: OfferedKind[] = [...PLAIN_KINDS, "ml_inference" as const].map(offerOf);
  readonly #deps: WorkerTaskRunnerDeps;
  readonly #runs = new Map<number, Run>();
  #worker: Worker | undefined;
  #hasCard = false;
  #idle: AbortController | undefined;
  #ids = 0;

  constructor(deps: WorkerTaskRunnerDeps) {
    this.#deps = deps;
  }

  get kinds(): readonly OfferedKind[] {
    return this.#kinds;
  }

  get hasCard(): boolean {
    return this.#hasCard;
  }

  /** There is a graphics card to draw with: from now on its kind is offered, too. */
  offerCard(): void {
    if (this.#hasCard) return;
    this.#hasCard = true;
    this.#kinds.push(offerOf("render_gpu"));
  }

  async run(task: Task, context: RunContext): Promise<Bytes> {
    context.signal.throwIfAborted();
    const id = ++this.#ids;
    this.#idle?.abort();
    const worker = (this.#worker ??= this.#start());
    const over = new AbortController();
    const onAbort = (): void => {
      this.#post(worker, { kind: "cancel", id });
      void this.#endIfStuck(worker, over.signal);
    };
    context.signal.addEventListener("abort", onAbort, { once: true });
    if (task.kind === "ml_inference" || task.input.kind === "tiles") void this.#speakFor(context, over.signal);
    try {
      return await new Promise<Bytes>((resolve, reject) => {
        this.#runs.set(id, { resolve, reject, context });
        this.#post(worker, { kind: "run", id, task, requester: context.requester });
      });
    } finally {
      context.signal.removeEventListener("abort", onAbort);
      over.abort();
      this.#runs.delete(id);
      if (this.#runs.size === 0) void this.#endWhenIdle();
    }
  }

  /** Ends the worker and what runs in it. It starts again with the next task. */
  stop(): void {
    this.#idle?.abort();
    this.#end(new ManyhandsError("PEER_LOST", "this tab has stopped"));
  }

  #start(): Worker {
    const worker = new Worker(new URL("./task-worker.ts", import.meta.url), { type: "module", name: "tasks" });
    worker.addEventListener("message", ({ data }: MessageEvent<FromTaskWorker>) => this.#hear(worker, data));
    const onError = (message: string) => (): void => {
      if (this.#worker === worker) this.#end(new ManyhandsError("TASK_FAILED", message)); // out of memory, as a rule: of the task's making
    };
    worker.addEventListener("error", onError("the worker for tasks stopped"));
    worker.addEventListener("messageerror", onError("the worker for tasks sent something unreadable"));
    return worker;
  }

  #hear(worker: Worker, message: FromTaskWorker): void {
    switch (message.kind) {
      case "progress":
        this.#runs.get(message.id)?.context.progress();
        return;
      case "done":
        this.#runs.get(message.id)?.resolve(message.output);
        return;
      case "failed":
        this.#runs.get(message.id)?.reject(new ManyhandsError(message.code, message.message));
        return;
      case "fetch":
        void this.#fetch(worker, message);
    }
  }

  async #fetch(worker: Worker, { ask, hash, sizeBytes, requester }: Extract<FromTaskWorker, { kind: "fetch" }>): Promise<void> {
    const context = { signal: AbortSignal.timeout(DEFAULTS.fetchMs), ...(requester && { requester }) };
    const bytes = await this.#deps.fetchTile(hash, sizeBytes, context).catch(() => undefined); // nobody has it in time
    this.#post(worker, { kind: "tile", ask, bytes });
  }

  #post(worker: Worker, message: ToTaskWorker): void {
    if (worker === this.#worker) worker.postMessage(message, []);
  }

  /** A computation that does not look at its signal cannot be stopped but with its worker. */
  async #endIfStuck(worker: Worker, over: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(DEFAULTS.endMs, over);
    } catch {
      return; // it ended by itself
    }
    if (worker === this.#worker) this.#end(new ManyhandsError("PEER_LOST", "a task that hung took its worker with it"));
  }

  async #endWhenIdle(): Promise<void> {
    this.#idle?.abort();
    const idle = new AbortController();
    this.#idle = idle;
    try {
      await this.#deps.clock.sleep(DEFAULTS.idleMs, idle.signal);
    } catch {
      return; // another task has come
    }
    this.#end(new ManyhandsError("PEER_LOST", "the worker was idle")); // nobody hears it
  }

  async #speakFor({ progress }: RunContext, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      try {
        await this.#deps.clock.sleep(DEFAULTS.modelProgressMs, over);
      } catch {
        return; // the run is over
      }
      progress();
    }
  }

  #end(error: ManyhandsError): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#runs.values()) reject(error);
  }
}
