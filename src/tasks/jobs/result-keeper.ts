// Results on their way to and from the store. They are written in groups, and found at once while they wait; if storage
// fails, jobs go on without it.
import { errorMessage } from "../../shared/errors.ts";
import type { TaskId, JobId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { Settled } from "../dispatch/task-record.ts";
import type { KeptResult, ResultStore } from "./job-stores.ts";

const DEFAULTS = Object.freeze({
  /** Results of one write: a tab that closes in the middle of it loses no more. */
  group: 256,
  /** Writes between two looks at how much is kept. */
  trimEvery: 32,
});

export interface ResultKeeperOptions {
  readonly store: ResultStore;
  /** Bytes of outputs that are kept. */
  readonly maxBytes: number;
  /** Jobs whose results are not dropped to make room. */
  readonly spared: () => ReadonlySet<JobId>;
  readonly log: Log;
}

export class ResultKeeper {
  readonly #options: ResultKeeperOptions;
  readonly #waiting = new Map<TaskId, KeptResult>();
  #writing: Promise<void> | undefined;
  #writes = 0;

  constructor(options: ResultKeeperOptions) {
    this.#options = options;
  }

  /** Never rejects: a result that cannot be read is computed again. */
  async get(ids: readonly TaskId[]): Promise<readonly (KeptResult | undefined)[]> {
    const waiting = ids.map((id) => this.#waiting.get(id));
    if (waiting.every((result) => result !== undefined)) return waiting;
    try {
      const kept = await this.#options.store.get(ids);
      return ids.map((id, at) => this.#waiting.get(id) ?? waiting[at] ?? kept[at]);
    } catch (error) {
      this.#options.log.warn("kept results could not be read", { message: errorMessage(error) });
      return waiting;
    }
  }

  keep(result: KeptResult): void {
    this.#waiting.set(result.id, result);
    this.#writing ??= this.#write();
  }

  /** Replaces the kept result of the same task, if there is one. Never rejects. */
  async correct({ id, output, verdict, agreed }: Settled): Promise<void> {
    const [kept] = await this.get([id]);
    if (kept !== undefined) this.keep({ ...kept, output, verdict, peers: agreed.map(({ peer }) => peer) });
  }

  /** Resolves once every result so far is written, or could not be. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  async forget(job: JobId): Promise<void> {
    for (const result of [...this.#waiting.values()]) if (result.work === job) this.#waiting.delete(result.id);
    await this.#writing;
    await this.#options.store.forget(job);
  }

  async #write(): Promise<void> {
    await Promise.resolve(); // results that are settled in the same turn go into the same write
    while (this.#waiting.size > 0) {
      const group = [...this.#waiting.values()].slice(0, DEFAULTS.group);
      const { store, maxBytes, spared, log } = this.#options;
      try {
        await store.put(group);
        if (++this.#writes % DEFAULTS.trimEvery === 1) await store.trim(maxBytes, spared());
      } catch (error) {
        log.warn("results could not be kept", { count: group.length, message: errorMessage(error) });
      }
      for (const result of group) if (this.#waiting.get(result.id) === result) this.#waiting.delete(result.id);
    }
    this.#writing = undefined;
  }
}
