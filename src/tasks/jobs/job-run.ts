// One job under way: its parts are looked up or computed, a bounded number at a time, and joined once all are settled.
import { encodeTask, type Task, taskId } from "../../protocol/task-frames.ts";
import { abortable } from "../../shared/abort.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { Settled } from "../dispatch/task-record.ts";
import type { Bytes, TaskKind, TaskPart } from "../task-kind.ts";
import type { JobHead } from "./job.ts";
import { checksOf, taskOf } from "./part-task.ts";
import type { ResultKeeper } from "./result-keeper.ts";

const DEFAULTS = Object.freeze({
  /** Parts that are looked up together. */
  batch: 64,
  /** Parts, and bytes of parts, that are submitted at once: enough for all volunteers, and little memory. */
  ahead: 1024,
  aheadBytes: 64 * 1024 * 1024,
  /** Milliseconds before the job's deadline in which a part that timed out is not submitted again. */
  graceMs: 100,
});

export interface JobRunOptions {
  readonly dispatcher: Pick<Dispatcher, "submit" | "isAssigned">;
  readonly results: Pick<ResultKeeper, "get" | "keep">;
  readonly self: PeerId;
  /** The reservation at the ledger that pays for the job. */
  readonly reservation: string | null;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Something that a view shows has changed. */
  readonly onChange: () => void;
}

export type OnPart = (at: number, output: Bytes, count: number) => void;

/** A part as it is submitted. */
interface Prepared {
  readonly at: number;
  readonly id: TaskId;
  readonly task: Task;
  readonly bytes: Bytes;
  readonly units: number;
}

export class JobRun {
  readonly #options: JobRunOptions;
  readonly #head: JobHead;
  readonly #kind: TaskKind;
  readonly #data: unknown;
  readonly #parts: readonly TaskPart[];
  readonly #outputs: (Bytes | undefined)[];
  /** Places of the parts by the id of their task: equal parts are one task. */
  readonly #places = new Map<TaskId, number[]>();
  /** Parts that are submitted now. */
  readonly #submitted = new Map<number, Prepared>();
  /** Tasks that were settled by the word of a peer that has been caught since. */
  readonly #doubted = new Map<TaskId, Prepared>();
  readonly #watchers = new Set<OnPart>();
  readonly #peers = new Set<string>();
  readonly #stop = new AbortController();
  /** Resolves when something is settled, or comes into doubt. */
  #moved = Promise.withResolvers<void>();
  #submittedBytes = 0;
  #done = 0;
  #cached = 0;
  #checked = 0;
  #wrong = 0;
  /** The joined value. Rejects with BAD_INPUT, TASK_FAILED, TIMEOUT, or the reason of `stop`. */
  readonly value: Promise<unknown>;

  /** Starts at once. `parts` are those into which the kind splits `data`. */
  constructor(options: JobRunOptions, head: JobHead, kind: TaskKind, data: unknown, parts: readonly TaskPart[]) {
    this.#options = options;
    this.#head = head;
    this.#kind = kind;
    this.#data = data;
    this.#parts = parts;
    this.#outputs = parts.map(() => undefined);
    this.value = this.#run();
    this.value.catch(() => {}); // callers that wait for the value get the rejection
  }

  get counts(): Pick<JobHead, "parts" | "done" | "cached" | "checked" | "peers" | "wrong"> {
    const [cached, checked, wrong] = [this.#cached, this.#checked, this.#wrong];
    return { parts: this.#parts.length, done: this.#done, cached, checked, wrong, peers: this.#peers.size };
  }

  /** Parts that a peer has now. */
  get computing(): number {
    const { dispatcher } = this.#options;
    let count = 0;
    for (const each of [this.#submitted, this.#doubted]) for (const { id } of each.values()) if (dispatcher.isAssigned(id)) count++;
    return count;
  }

  /**
   * Calls `onPart` for each part that is settled already, then for each as it is settled. Returns the function that
   * stops it.
   */
  watch(onPart: OnPart): () => void {
    this.#outputs.forEach((output, at) => {
      if (output !== undefined) onPart(at, output, this.#parts.length);
    });
    this.#watchers.add(onPart);
    return () => this.#watchers.delete(onPart);
  }

  /** Gives up every part that is submitted. Idempotent. */
  stop(reason: Error): void {
    this.#stop.abort(reason);
  }

  /** A peer was caught whose word alone had settled this task: the task is computed again before the job is joined. */
  doubt(id: TaskId): void {
    const places = this.#places.get(id) ?? [];
    const at = places.find((place) => this.#outputs[place] !== undefined);
    if (at === undefined || this.#doubted.has(id)) return;
    this.#doubted.set(id, this.#prepare(at));
    this.#done -= places.length;
    this.#changed();
  }

  /** The doubt about a task is over: this is its settlement. */
  cleared(settled: Settled, wasWrong: boolean): void {
    const places = this.#places.get(settled.id);
    if (places === undefined) return;
    if (wasWrong) this.#wrong++;
    if (this.#doubted.delete(settled.id)) this.#settle(settled, "again");
    else if (wasWrong) for (const at of places) this.#setOutput(at, settled.output); // it was settled in the same turn
  }

  /** No two peers agreed on a task that was in doubt: it is submitted afresh. */
  undecided(id: TaskId): void {
    const prepared = this.#doubted.get(id);
    if (prepared === undefined) return;
    this.#doubted.delete(id);
    for (const at of this.#places.get(id) ?? []) this.#submit({ ...prepared, at });
  }

  async #run(): Promise<unknown> {
    const { signal } = this.#stop;
    try {
      for (let at = 0; at < this.#parts.length; at += DEFAULTS.batch) {
        const end = Math.min(this.#parts.length, at + DEFAULTS.batch);
        await this.#start(Array.from({ length: end - at }, (_, offset) => this.#prepare(at + offset)));
        while (this.#submitted.size >= DEFAULTS.ahead || this.#submittedBytes >= DEFAULTS.aheadBytes)
          await abortable(this.#moved.promise, signal);
      }
      while (this.#submitted.size > 0 || this.#doubted.size > 0) await abortable(this.#moved.promise, signal);
      return this.#kind.join(this.#data, this.#outputs as Bytes[]); // all are settled
    } finally {
      this.#stop.abort(new ManyhandsError("TASK_FAILED", "the other parts are not wanted any more"));
    }
  }

  #prepare(at: number): Prepared {
    const part = this.#parts[at] as TaskPart; // inside the list
    const { limits, replication, rewardMicro: reward } = this.#head;
    const task = taskOf(this.#kind, part, { limits, replication, reward });
    const bytes = encodeTask(task);
    return { at, task, bytes, id: taskId(bytes), units: this.#kind.weigh(part) };
  }

  async #start(batch: readonly Prepared[]): Promise<void> {
    for (const { id, at } of batch) this.#places.set(id, [...(this.#places.get(id) ?? []), at]);
    const kept = await this.#options.results.get(batch.map(({ id }) => id));
    this.#stop.signal.throwIfAborted();
    batch.forEach((prepared, at) => {
      const result = kept[at];
      if (result === undefined) {
        this.#submit(prepared);
        return;
      }
      const agreed = result.peers.map((peer) => ({ peer }));
      this.#settle({ ...result, agreed }, "cached", [prepared.at]);
    });
  }

  #submit(prepared: Prepared): void {
    this.#submitted.set(prepared.at, prepared);
    this.#submittedBytes += prepared.bytes.byteLength;
    void this.#compute(prepared).catch((error: unknown) => this.#stop.abort(this.#failure(prepared, error)));
  }

  async #compute(prepared: Prepared): Promise<void> {
    const { dispatcher, results, self, now, reservation } = this.#options;
    const { priority, untilMs, own, id: job } = this.#head;
    const { task, bytes, units } = prepared;
    const { signal } = this.#stop;
    for (;;) {
      const deadlineMs = Math.max(0, untilMs - now());
      try {
        const avoid = own ? [] : [self];
        const checks = checksOf(this.#kind, this.#parts[prepared.at] as TaskPart); // inside the list
        const settled = await dispatcher.submit(task, { bytes, units, reservation, priority, deadlineMs, signal, avoid, ...checks });
        if (signal.aborted) return;
        if (this.#submitted.delete(prepared.at)) this.#submittedBytes -= bytes.byteLength;
        this.#wrong += settled.wrong.length;
        const { id, output, verdict, agreed } = settled;
        results.keep({ id, work: job, output, verdict, peers: agreed.map(({ peer }) => peer) });
        this.#settle(settled, "fresh", [prepared.at]);
        return;
      } catch (error) {
        if (signal.aborted) return;
        // The same task was submitted before, with an earlier deadline than this job has.
        if (errorCode(error) !== "TIMEOUT" || untilMs - now() < DEFAULTS.graceMs) throw error;
      }
    }
  }

  #settle(
    { id, output, verdict, agreed }: Pick<Settled, "id" | "output" | "verdict"> & { readonly agreed: readonly { readonly peer: string }[] },
    how: "fresh" | "cached" | "again",
    places: readonly number[] = this.#places.get(id) ?? [],
  ): void {
    for (const { peer } of agreed) this.#peers.add(peer);
    for (const at of places) {
      this.#done++;
      if (how === "cached") this.#cached++;
      if (verdict === "quorum") this.#checked++;
      this.#setOutput(at, output);
    }
    this.#changed();
  }

  #setOutput(at: number, output: Bytes): void {
    this.#outputs[at] = output;
    for (const onPart of this.#watchers) onPart(at, output, this.#parts.length);
  }

  #changed(): void {
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
    this.#options.onChange();
  }

  /** In words for a person. */
  #failure({ at }: Prepared, error: unknown): ManyhandsError {
    const code = errorCode(error) ?? "TASK_FAILED";
    if (code === "TIMEOUT")
      return new ManyhandsError(code, `Time is up: ${this.#done} of ${this.#parts.length} parts were done, and are kept.`, {
        cause: error,
      });
    const where = this.#parts.length === 1 ? "It" : `Part ${at + 1} of ${this.#parts.length}`;
    return new ManyhandsError(code, `${where} could not be computed: ${errorMessage(error)}.`, { cause: error });
  }
}
