// Results on their way to and from the store: written behind in groups, found at once while they wait; storage may fail, work goes on.
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

export interface ResultKeeperDeps {
  readonly store: ResultStore;
  /** Bytes of outputs that are kept. */
  readonly maxBytes: number;
  /** Jobs whose results are not dropped to make room. */
  readonly spared: () => ReadonlySet<JobId>;
  readonly log: Log;
}

export class ResultKeeper {
  readonly #deps: ResultKeeperDeps;
  readonly #waiting = new Map<TaskId, KeptResult>();
  #writing: Promise<void> | undefined;
  #writes = 0;

  constructor(deps: ResultKeeperDeps) {
    this.#deps = deps;
  }

  /** Never rejects: what cannot be read is computed again. */
  async get(ids: readonly TaskId[]): Promise<readonly (KeptResult | undefined)[]> {
    const waiting = ids.map((id) => this.#waiting.get(id));
    if (waiting.every((result) => result !== undefined)) return waiting;
    try {
      const kept = await this.#deps.store.get(ids);
      return ids.map((id, at) => this.#waiting.get(id) ?? waiting[at] ?? kept[at]);
    } catch (error) {
      this.#deps.log.warn("kept results could not be read", { message: errorMessage(error) });
      return waiting;
    }
  }

  keep(result: KeptResult): void {
    this.#waiting.set(result.id, result);
    this.#writing ??= this.#write();
  }

  /** In place of what is kept of the same task, where anything is. Never rejects. */
  async correct({ id, output, verdict, agreed }: Settled): Promise<void> {
    const [kept] = await this.get([id]);
    if (kept !== undefined) this.keep({ ...kept, output, verdict, peers: agreed.map(({ peer }) => peer) });
  }

  /** Once everything that was handed over is written, or could not be. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  async forget(work: JobId): Promise<void> {
    for (const result of [...this.#waiting.values()]) if (result.work === work) this.#waiting.delete(result.id);
    await this.#writing;
    await this.#deps.store.forget(work);
  }

  async #write(): Promise<void> {
    await Promise.resolve(); // what is settled in the same moment goes into the same write
    while (this.#waiting.size > 0) {
      const group = [...this.#waiting.values()].slice(0, DEFAULTS.group);
      try {
        await this.#deps.store.put(group);
        if (++this.#writes % DEFAULTS.trimEvery === 1) await this.#deps.store.trim(this.#deps.maxBytes, this.#deps.spared());
      } catch (error) {
        this.#deps.log.warn("results could not be kept", { count: group.length, message: errorMessage(error) });
      }
      for (const result of group) if (this.#waiting.get(result.id) === result) this.#waiting.delete(result.id);
    }
    this.#writing = undefined;
  }
}
