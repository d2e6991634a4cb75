// The page's side of its worker for tasks. The worker starts with the first task, and is ended after a while without
// one, or when a task hangs in it.
import type { Task } from "../../protocol/task-frames.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { offerOf, PLAIN_KINDS } from "../../tasks/kinds/find-kind.ts";
import type { OfferedKind, RunContext } from "../../tasks/task-kind.ts";
import type { FetchTile, TaskRunner } from "../../tasks/volunteer/local-runner.ts";
import type { FromTaskWorker, ToTaskWorker } from "./task-contract.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds without a task after which the worker, and all that it has loaded, is freed. */
  idleMs: 60_000,
  /** Milliseconds that a cancelled task has to end. After them its worker is ended, too. */
  endMs: 250,
  /** Milliseconds for one tile, from all peers that may have it. */
  fetchMs: 30_000,
  /**
   * Milliseconds between reports of progress on behalf of a worker that cannot report: it runs a model, or waits for
   * tiles.
   */
  modelProgressMs: 1000,
});

type Bytes = Uint8Array<ArrayBuffer>;

interface Run {
  readonly resolve: (output: Bytes) => void;
  readonly reject: (error: Error) => void;
  readonly context: RunContext;
}

export interface WorkerTaskRunnerOptions {
  /** Resolves with the bytes of a tile, checked; with undefined if no peer has it. */
  readonly fetchTile: FetchTile;
  readonly clock: Clock;
}

export class WorkerTaskRunner implements TaskRunner {
  readonly #kinds: OfferedKind[] = [...PLAIN_KINDS, "ml_inference" as const].map(offerOf);
  readonly #options: WorkerTaskRunnerOptions;
  readonly #runs = new Map<number, Run>();
  #worker: Worker | undefined;
  #hasCard = false;
  #idle: AbortController | undefined;
  #ids = 0;

  constructor(options: WorkerTaskRunnerOptions) {
    this.#options = options;
  }

  get kinds(): readonly OfferedKind[] {
    return this.#kinds;
  }

  get hasCard(): boolean {
    return this.#hasCard;
  }

  /** There is a graphics card to draw with: from now on its kind is offered, too. Idempotent. */
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
    if (task.kind === "ml_inference" || task.input.kind === "tiles") void this.#reportFor(context, over.signal);
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

  /** Ends the worker and all that runs in it. It starts again with the next task. */
  stop(): void {
    this.#idle?.abort();
    this.#end(new ManyhandsError("PEER_LOST", "this tab has stopped"));
  }

  #start(): Worker {
    const worker = new Worker(new URL("./task-worker.ts", import.meta.url), { type: "module", name: "tasks" });
    worker.addEventListener("message", ({ data }: MessageEvent<FromTaskWorker>) => this.#receive(worker, data));
    const onError = (message: string) => (): void => {
      if (this.#worker === worker) this.#end(new ManyhandsError("TASK_FAILED", message)); // as a rule out of memory, because of the task
    };
    worker.addEventListener("error", onError("the worker for tasks stopped"));
    worker.addEventListener("messageerror", onError("the worker for tasks sent something unreadable"));
    return worker;
  }

  #receive(worker: Worker, message: FromTaskWorker): void {
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
    const bytes = await this.#options.fetchTile(hash, sizeBytes, context).catch(() => undefined); // no peer gave it in time
    this.#post(worker, { kind: "tile", ask, bytes });
  }

  #post(worker: Worker, message: ToTaskWorker): void {
    if (worker === this.#worker) worker.postMessage(message, []);
  }

  /** A computation that never looks at its signal can only be stopped together with its worker. */
  async #endIfStuck(worker: Worker, over: AbortSignal): Promise<void> {
    try {
      await this.#options.clock.sleep(DEFAULTS.endMs, over);
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
      await this.#options.clock.sleep(DEFAULTS.idleMs, idle.signal);
    } catch {
      return; // another task has come
    }
    this.#end(new ManyhandsError("PEER_LOST", "the worker was idle")); // there is no run to reject
  }

  /** Reports progress on behalf of the worker until `over` aborts. */
  async #reportFor({ progress }: RunContext, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      try {
        await this.#options.clock.sleep(DEFAULTS.modelProgressMs, over);
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
