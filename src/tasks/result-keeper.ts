// Results on their way to and from the store: written behind, found at once while they wait; storage may fail, work goes on.
import { errorMessage } from "../shared/errors.ts";
import type { TaskId, WorkId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import type { Settled } from "./task-record.ts";
import type { KeptResult, ResultStore } from "./work-book.ts";

const DEFAULTS = Object.freeze({
  /** Writes between two looks at how much is kept. */
  trimEvery: 32,
});

export interface ResultKeeperDeps {
  readonly store: ResultStore;
  /** Bytes of outputs that are kept. */
  readonly maxBytes: number;
  /** Works whose results are not dropped to make room. */
  readonly spared: () => ReadonlySet<WorkId>;
  readonly log: Log;
}

export class ResultKeeper {
  readonly #deps: ResultKeeperDeps;
  readonly #waiting = new Map<TaskId, KeptResult>();
  /** Those among them that the store has been handed. */
  readonly #sent = new WeakSet<KeptResult>();
  readonly #writing = new Set<Promise<void>>();
  #isGathering = false;
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
    if (this.#isGathering) return;
    this.#isGathering = true;
    const writing: Promise<void> = this.#write().finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /** In place of what is kept of the same task, where anything is. Never rejects. */
  async correct({ id, output, verdict, agreed }: Settled): Promise<void> {
    const [kept] = await this.get([id]);
    if (kept !== undefined) this.keep({ ...kept, output, verdict, peers: agreed.map(({ peer }) => peer) });
  }

  /** Once everything that was handed over is written, or could not be. */
  async flushed(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  async forget(work: WorkId): Promise<void> {
    for (const result of [...this.#waiting.values()]) if (result.work === work) this.#waiting.delete(result.id);
    await this.flushed();
    await this.#deps.store.forget(work);
  }

  /** Hands over at once what is settled in one moment, whatever is being written: a tab may close in the next. */
  async #write(): Promise<void> {
    await Promise.resolve();
    this.#isGathering = false;
    const group = [...this.#waiting.values()].filter((result) => !this.#sent.has(result));
    if (group.length === 0) return; // forgotten meanwhile
    for (const result of group) this.#sent.add(result);
    try {
      await this.#deps.store.put(group);
      if (++this.#writes % DEFAULTS.trimEvery === 1) await this.#deps.store.trim(this.#deps.maxBytes, this.#deps.spared());
    } catch (error) {
      this.#deps.log.warn("results could not be kept", { count: group.length, message: errorMessage(error) });
    }
    for (const result of group) if (this.#waiting.get(result.id) === result) this.#waiting.delete(result.id);
  }
}
