// The jobs of one requester: asked for, shown, stopped, and gone on with after a reload.
import { abortable } from "../../shared/abort.ts";
import { toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { asJobId, type JobId, type PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { Kinds } from "../kinds/find-kind.ts";
import type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../kinds/kind-list.ts";
import { type PlannedJob, planJob } from "./plan-job.ts";
import { ResultKeeper } from "./result-keeper.ts";
import type { TaskKind, TaskPart } from "../task-kind.ts";
import type { ResultStore, JobStore } from "./job-stores.ts";
import { type OnPart, JobRun, type JobRunDeps } from "./job-run.ts";
import { JobWatch } from "./job-watch.ts";
import { watchLater } from "./watch-later.ts";
import { headView, type TaskRequest, type JobHead, type JobIdOf, type JobView } from "./job.ts";

const DEFAULTS = Object.freeze({
  /** Jobs that are over and still listed: older ones are forgotten. */
  history: 50,
  /** Jobs that are over and whose outputs stay in memory. */
  warm: 4,
  /** Bytes of outputs that are kept between visits. */
  resultBytes: 256 * 1024 * 1024,
  /** Milliseconds for which credit is set aside: as long as the ledger lets it be. */
  asideMs: 60 * 60_000,
});

/** Where tasks are computed; `take` says that there is work until the answered function is called. */
export interface TaskPool {
  readonly dispatcher: Dispatcher;
  take(): () => void;
}

/** Credit set aside for a work; to be released when the work is over. */
export interface Reservation {
  readonly id: string;
  release(): Promise<void>;
}

export interface JobsDeps {
  readonly self: PeerId;
  readonly pool: TaskPool;
  /** What a job may be of. */
  readonly kinds: Kinds;
  readonly book: JobStore;
  readonly results: ResultStore;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Fills the array with fresh random bytes. */
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;
  /** Sets microcredits aside. Throws BAD_INPUT where there is not enough, or LEDGER_UNAVAILABLE. Without it no reward is paid. */
  readonly reserve?: (micro: number, forMs: number) => Promise<Reservation>;
  readonly log: Log;
  /** The list has changed; newest first. */
  readonly onChange: (jobs: readonly JobView[], urgency: "frame" | "counts") => void;
}

interface Work {
  head: JobHead;
  run: JobRun | undefined;
}

interface Startable {
  readonly kind: TaskKind;
  readonly data: unknown;
  readonly parts: readonly TaskPart[];
  readonly aside: Reservation | undefined;
}

export class Jobs {
  readonly #deps: JobsDeps;
  readonly #jobs = new Map<JobId, Work>();
  readonly #results: ResultKeeper;
  readonly #watch: JobWatch;
  /** Runs of `compute`. */
  readonly #passing = new Set<JobRun>();
  readonly #life = new AbortController();
  /** Over, with their outputs in memory; the one that was over first comes first. */
  #warm: Work[] = [];

  constructor(deps: JobsDeps) {
    this.#deps = deps;
    const spared = (): ReadonlySet<JobId> => new Set([...this.#jobs.values()].filter(isOpen).map(({ head }) => head.id));
    this.#results = new ResultKeeper({ store: deps.results, maxBytes: DEFAULTS.resultBytes, spared, log: deps.log });
    this.#watch = new JobWatch(
      () => deps.pool.take(),
      deps.clock,
      () => this.#changed("counts"),
    );
    const { dispatcher } = deps.pool;
    const stops = [
      dispatcher.on("task:reopened", ({ id }) => this.#each((run) => run.doubt(id))),
      dispatcher.on("task:confirmed", (settled) => this.#each((run) => run.cleared(settled, false))),
      dispatcher.on("task:corrected", (settled) => {
        this.#each((run) => run.cleared(settled, true));
        void this.#results.correct(settled);
      }),
      dispatcher.on("task:failed", ({ id }) => this.#each((run) => run.undecided(id))),
    ];
    this.#life.signal.addEventListener("abort", () => stops.forEach((stop) => stop()), { once: true });
  }

  /** Newest first. */
  get views(): readonly JobView[] {
    return [...this.#jobs.values()].map((work) => viewOf(work)).toReversed();
  }

  /** Takes up what an earlier page left. Never rejects: where nothing can be read there is nothing to take up. */
  async resume(): Promise<void> {
    try {
      for (const head of await this.#deps.book.heads()) if (!this.#jobs.has(head.id)) this.#jobs.set(head.id, { head, run: undefined });
      for (const work of [...this.#jobs.values()]) if (isOpen(work) && work.head.owner === this.#deps.self) await this.#revive(work);
    } catch (error) {
      this.#deps.log.warn("jobs of an earlier visit could not be read", { message: errorMessage(error) });
    }
    this.#changed("frame");
  }

  /** Resolves once the work is kept. Throws BAD_INPUT. */
  async distribute<Kind extends TaskKindName>(request: TaskRequest<Kind>): Promise<JobIdOf<Kind>> {
    const id = this.#freshId();
    const { kind, parts, head } = this.#plan(id, request);
    const aside = await this.#reserve(head);
    try {
      await this.#deps.book.begin(head, request.data);
    } catch (error) {
      if (error instanceof Error && error.name === "DataCloneError") {
        void aside?.release();
        throw new ManyhandsError("BAD_INPUT", `The data cannot be kept: ${error.message}`, { cause: error });
      }
      this.#deps.log.warn("a work is not kept when this page closes", { message: errorMessage(error) });
    }
    const work: Work = { head, run: undefined };
    this.#jobs.set(id, work);
    this.#start(work, { kind, data: request.data, parts, aside });
    this.#changed("frame");
    return id;
  }

  /** The value of a work that is kept nowhere and not listed. Throws BAD_INPUT, TASK_FAILED, TIMEOUT, or the signal's reason. */
  async compute(request: TaskRequest, signal: AbortSignal): Promise<unknown> {
    const { kind, parts, head } = this.#plan(this.#freshId(), request);
    const aside = await this.#reserve(head);
    const release = this.#deps.pool.take();
    const run = new JobRun(
      this.#runDeps(aside, () => {}),
      head,
      kind,
      request.data,
      parts,
    );
    this.#passing.add(run);
    try {
      return await abortable(run.value, AbortSignal.any([signal, this.#life.signal]));
    } finally {
      this.#passing.delete(run);
      run.stop(STOPPED);
      release();
      void aside?.release();
    }
  }

  /** The value. Throws what the work failed with, BAD_INPUT where there is no such work here, or the signal's reason. */
  async wait<Kind extends TaskKindName>(id: JobIdOf<Kind>, signal?: AbortSignal): Promise<TaskValueByKind[Kind]> {
    const work = this.#find(id);
    const run = work.run ?? (await abortable(this.#revive(work), signal));
    return (await abortable(run.value, signal)) as TaskValueByKind[Kind]; // what its kind joins
  }

  /** Tells of each settled part, those of before first. Answers the function that stops it. Throws BAD_INPUT. */
  watch(id: JobId, onPart: OnPart): () => void {
    const work = this.#find(id);
    if (work.run !== undefined) return work.run.watch(onPart);
    return watchLater(
      this.#revive(work),
      (run) => run.watch(onPart),
      () => {}, // it failed, and its view says so
    );
  }

  /** What it was asked with. Throws BAD_INPUT where it is not here. */
  async data<Kind extends TaskKindName>(id: JobIdOf<Kind>): Promise<TaskDataByKind[Kind]> {
    return (await this.#dataOf(this.#find(id))) as TaskDataByKind[Kind]; // as it was begun
  }

  /** What was settled stays kept: the same work asked again goes on from there. Unknown ones are ignored. */
  cancel(id: JobId): void {
    const work = this.#jobs.get(id);
    if (work === undefined || !isOpen(work)) return;
    if (work.run === undefined) this.#end(work, "stopped", undefined);
    else work.run.stop(STOPPED);
  }

  /** Also its data and its results. Unknown ones are ignored. */
  async forget(id: JobId): Promise<void> {
    const work = this.#jobs.get(id);
    if (work === undefined) return;
    this.cancel(id);
    this.#jobs.delete(id);
    this.#warm = this.#warm.filter((other) => other !== work);
    this.#changed("frame");
    await this.#deps.book.forget(id);
    await this.#results.forget(id);
  }

  /** Gives up what is out; it is gone on with by `resume`, later. */
  async stop(): Promise<void> {
    this.#life.abort(new ManyhandsError("PEER_LOST", "This tab has left the swarm."));
    for (const { run } of this.#jobs.values()) run?.stop(this.#life.signal.reason as Error);
    await this.#results.flushed();
  }

  #freshId(): JobId {
    return asJobId(toHex(this.#deps.random(new Uint8Array(16))));
  }

  #plan(id: JobId, request: TaskRequest): PlannedJob {
    const { self: owner, now, kinds } = this.#deps;
    return planJob(request, { id, owner, nowMs: now(), kinds });
  }

  #runDeps(aside: Reservation | undefined, onChange: () => void): JobRunDeps {
    const { pool, self, now } = this.#deps;
    return { dispatcher: pool.dispatcher, results: this.#results, self, reservation: aside?.id ?? null, now, onChange };
  }

  async #reserve({ rewardMicro, parts }: JobHead): Promise<Reservation | undefined> {
    const micro = rewardMicro * parts;
    return micro > 0 ? this.#deps.reserve?.(micro, DEFAULTS.asideMs) : undefined;
  }

  #find(id: JobId): Work {
    const work = this.#jobs.get(id);
    if (work === undefined)
      throw new ManyhandsError("BAD_INPUT", "There is no such work here: it was forgotten, or asked for in another browser.");
    return work;
  }

  #each(act: (run: JobRun) => void): void {
    for (const { run } of this.#jobs.values()) if (run !== undefined) act(run);
    for (const run of this.#passing) act(run);
  }

  async #dataOf({ head }: Work): Promise<unknown> {
    const data = await this.#deps.book.data(head.id);
    if (data === undefined) throw new ManyhandsError("BAD_INPUT", "The data of this work is not kept any more. Ask for it again.");
    return data;
  }

  /** Goes on with a work of before: everything that was settled is at hand. Throws what it failed with. */
  async #revive(work: Work): Promise<JobRun> {
    const { head } = work;
    if (head.problem !== undefined) throw new ManyhandsError(head.problem.code, head.problem.message);
    if (head.state === "stopped") throw STOPPED;
    if (isOpen(work) && head.owner !== this.#deps.self)
      throw new ManyhandsError("BAD_INPUT", "Another tab of this browser has this work under way.");
    const kind = this.#deps.kinds.get(head.kind);
    const data = await this.#dataOf(work);
    if (kind === undefined) throw new ManyhandsError("BAD_INPUT", `There is no kind of work called ${head.kind} any more.`);
    const aside = isOpen(work) ? await this.#reserve(head) : undefined;
    if (work.run === undefined) return this.#start(work, { kind, data, parts: kind.split(data), aside });
    void aside?.release(); // somebody else took it up meanwhile
    return work.run;
  }

  #start(work: Work, { kind, data, parts, aside }: Startable): JobRun {
    const wasOpen = isOpen(work);
    const run = new JobRun(
      this.#runDeps(aside, () => this.#watch.settled()),
      work.head,
      kind,
      data,
      parts,
    );
    work.run = run;
    const rest = this.#watch.work();
    const over = (): void => {
      rest();
      void aside?.release();
    };
    run.value.then(over, over);
    run.value.then(
      () => (wasOpen ? this.#end(work, "done", undefined) : this.#keepWarm(work)),
      (error: unknown) => {
        if (this.#life.signal.aborted) return; // to be gone on with
        if (!wasOpen) work.run = undefined;
        else if (error === STOPPED) this.#end(work, "stopped", undefined);
        else this.#end(work, "failed", { code: errorCode(error) ?? "TASK_FAILED", message: errorMessage(error) });
      },
    );
    return run;
  }

  #end(work: Work, state: "done" | "failed" | "stopped", problem: JobHead["problem"]): void {
    work.head = { ...work.head, ...work.run?.counts, state, problem, endedMs: this.#deps.now() };
    if (state === "done") this.#keepWarm(work);
    else work.run = undefined;
    const onError = (error: unknown): void =>
      this.#deps.log.warn("the list of jobs is not kept up to date", { message: errorMessage(error) });
    // The results first: a work that is told to be done is not computed again.
    void this.#results
      .flushed()
      .then(() => (this.#jobs.has(work.head.id) ? this.#deps.book.update(work.head) : undefined))
      .catch(onError);
    const over = [...this.#jobs.values()].filter((each) => !isOpen(each));
    for (const { head } of over.slice(0, -DEFAULTS.history)) this.forget(head.id).catch(onError);
    this.#changed("frame");
  }

  /** The outputs of a few jobs that are over stay in memory; those of others come from the store. */
  #keepWarm(work: Work): void {
    this.#warm = [...this.#warm.filter((other) => other !== work), work];
    for (const cold of this.#warm.splice(0, Math.max(0, this.#warm.length - DEFAULTS.warm))) cold.run = undefined;
  }

  #changed(urgency: "frame" | "counts"): void {
    this.#deps.onChange(this.views, urgency);
  }
}

/** One for all: by it what was stopped is told from what failed. */
const STOPPED = new ManyhandsError("TASK_FAILED", "This work was stopped.");

const isOpen = ({ head }: Work): boolean => head.state === "open";

const viewOf = ({ head, run }: Work): JobView => headView({ ...head, ...run?.counts }, head.state === "open" ? run?.computing : undefined);
