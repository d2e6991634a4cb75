// The jobs of one requester: handed over, shown, stopped, and resumed after a reload.
import { abortable } from "../../shared/abort.ts";
import { toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { asJobId, type JobId, type PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { Kinds } from "../kinds/find-kind.ts";
import type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../kinds/kind-list.ts";
import type { TaskKind, TaskPart } from "../task-kind.ts";
import { LiveJobs } from "./live-jobs.ts";
import { type OnPart, JobRun, type JobRunOptions } from "./job-run.ts";
import type { ResultStore, JobStore } from "./job-stores.ts";
import { headView, type TaskRequest, type JobHead, type JobIdOf, type JobView } from "./job.ts";
import { type PlannedJob, planJob } from "./plan-job.ts";
import { ResultKeeper } from "./result-keeper.ts";
import { watchPending } from "./watch-pending.ts";

const DEFAULTS = Object.freeze({
  /** Jobs that are over and still listed: older ones are forgotten. */
  history: 50,
  /** Jobs that are over and whose outputs stay in memory. */
  warm: 4,
  /** Bytes of outputs that are kept between visits. */
  resultBytes: 256 * 1024 * 1024,
  /** Milliseconds for which credit is reserved: the longest that the ledger allows. */
  reserveMs: 60 * 60_000,
});

/** Where tasks are computed. */
export interface TaskPool {
  readonly dispatcher: Dispatcher;
  /** Holds volunteers for a job until the returned function is called. */
  acquire(): () => void;
}

/** Credit that is reserved for a job; to be released once the job is over. */
export interface Reservation {
  readonly id: string;
  release(): Promise<void>;
}

export interface JobsOptions {
  readonly self: PeerId;
  readonly pool: TaskPool;
  /** The kinds of which a job may be. */
  readonly kinds: Kinds;
  readonly store: JobStore;
  readonly results: ResultStore;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Fills the array with fresh random bytes. */
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;
  /**
   * Reserves microcredits. Throws BAD_INPUT if there are not enough, or LEDGER_UNAVAILABLE. Without it no reward is
   * paid.
   */
  readonly reserve?: (micro: number, forMs: number) => Promise<Reservation>;
  readonly log: Log;
  /** The list has changed; newest first. */
  readonly onChange: (jobs: readonly JobView[], urgency: "frame" | "counts") => void;
}

/** A job of the list. `run` is undefined while nothing of it is in memory. */
interface Job {
  head: JobHead;
  run: JobRun | undefined;
}

interface Startable {
  readonly kind: TaskKind;
  readonly data: unknown;
  readonly parts: readonly TaskPart[];
  readonly reservation: Reservation | undefined;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #jobs = new Map<JobId, Job>();
  readonly #results: ResultKeeper;
  readonly #live: LiveJobs;
  /** Runs of `compute`. */
  readonly #unlisted = new Set<JobRun>();
  readonly #life = new AbortController();
  /** Jobs that are over and have their outputs in memory; the one that ended first comes first. */
  #warm: Job[] = [];

  constructor(options: JobsOptions) {
    this.#options = options;
    const spared = (): ReadonlySet<JobId> => new Set([...this.#jobs.values()].filter(isOpen).map(({ head }) => head.id));
    this.#results = new ResultKeeper({ store: options.results, maxBytes: DEFAULTS.resultBytes, spared, log: options.log });
    this.#live = new LiveJobs(
      () => options.pool.acquire(),
      options.clock,
      () => this.#changed("counts"),
    );
    const { dispatcher } = options.pool;
    const stops = [
      dispatcher.on("task:reopened", ({ id }) => this.#eachRun((run) => run.doubt(id))),
      dispatcher.on("task:confirmed", (settled) => this.#eachRun((run) => run.cleared(settled, false))),
      dispatcher.on("task:corrected", (settled) => {
        this.#eachRun((run) => run.cleared(settled, true));
        void this.#results.correct(settled);
      }),
      dispatcher.on("task:failed", ({ id }) => this.#eachRun((run) => run.undecided(id))),
    ];
    this.#life.signal.addEventListener("abort", () => stops.forEach((stop) => stop()), { once: true });
  }

  /** Newest first. */
  get views(): readonly JobView[] {
    return [...this.#jobs.values()].map((job) => viewOf(job)).toReversed();
  }

  /**
   * Lists the jobs of earlier pages, and resumes this tab's own. Never rejects: if nothing can be read, there is
   * nothing to resume.
   */
  async resume(): Promise<void> {
    const { store, self, log } = this.#options;
    try {
      for (const head of await store.heads()) if (!this.#jobs.has(head.id)) this.#jobs.set(head.id, { head, run: undefined });
      for (const job of [...this.#jobs.values()]) if (isOpen(job) && job.head.owner === self) await this.#revive(job);
    } catch (error) {
      log.warn("jobs of an earlier visit could not be read", { message: errorMessage(error) });
    }
    this.#changed("frame");
  }

  /** Resolves once the job is kept. Throws BAD_INPUT. */
  async distribute<Kind extends TaskKindName>(request: TaskRequest<Kind>): Promise<JobIdOf<Kind>> {
    const id = this.#freshId();
    const { kind, parts, head } = this.#plan(id, request);
    const reservation = await this.#reserve(head);
    try {
      await this.#options.store.begin(head, request.data);
    } catch (error) {
      if (error instanceof Error && error.name === "DataCloneError") {
        void reservation?.release();
        throw new ManyhandsError("BAD_INPUT", `The data cannot be kept: ${error.message}`, { cause: error });
      }
      this.#options.log.warn("a job is lost when this page closes", { message: errorMessage(error) });
    }
    const job: Job = { head, run: undefined };
    this.#jobs.set(id, job);
    this.#start(job, { kind, data: request.data, parts, reservation });
    this.#changed("frame");
    return id;
  }

  /**
   * Resolves with the value of a job that is neither kept nor listed. Throws BAD_INPUT, TASK_FAILED, TIMEOUT, or the
   * signal's reason.
   */
  async compute(request: TaskRequest, signal: AbortSignal): Promise<unknown> {
    const { kind, parts, head } = this.#plan(this.#freshId(), request);
    const reservation = await this.#reserve(head);
    const release = this.#options.pool.acquire();
    const run = new JobRun(
      this.#runOptions(reservation, () => {}),
      head,
      kind,
      request.data,
      parts,
    );
    this.#unlisted.add(run);
    try {
      return await abortable(run.value, AbortSignal.any([signal, this.#life.signal]));
    } finally {
      this.#unlisted.delete(run);
      run.stop(STOPPED);
      release();
      void reservation?.release();
    }
  }

  /**
   * Resolves with the value. Throws what the job failed with, BAD_INPUT if there is no such job here, or the signal's
   * reason.
   */
  async wait<Kind extends TaskKindName>(id: JobIdOf<Kind>, signal?: AbortSignal): Promise<TaskValueByKind[Kind]> {
    const job = this.#find(id);
    const run = job.run ?? (await abortable(this.#revive(job), signal));
    return (await abortable(run.value, signal)) as TaskValueByKind[Kind]; // what its kind joins
  }

  /** As `JobRun.watch`. Throws BAD_INPUT if there is no such job here. */
  watch(id: JobId, onPart: OnPart): () => void {
    const job = this.#find(id);
    if (job.run !== undefined) return job.run.watch(onPart);
    return watchPending(
      this.#revive(job),
      (run) => run.watch(onPart),
      () => {}, // the job failed, and its view says so
    );
  }

  /** Resolves with the data of the request. Throws BAD_INPUT if it is not here. */
  async data<Kind extends TaskKindName>(id: JobIdOf<Kind>): Promise<TaskDataByKind[Kind]> {
    return (await this.#dataOf(this.#find(id))) as TaskDataByKind[Kind]; // as it was kept
  }

  /** Parts that are settled stay kept: the same job, handed over again, goes on from there. Ignores unknown jobs. */
  cancel(id: JobId): void {
    const job = this.#jobs.get(id);
    if (job === undefined || !isOpen(job)) return;
    if (job.run === undefined) this.#end(job, "stopped", undefined);
    else job.run.stop(STOPPED);
  }

  /** Stops the job, and drops its data and its results, too. Ignores unknown jobs. */
  async forget(id: JobId): Promise<void> {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.cancel(id);
    this.#jobs.delete(id);
    this.#warm = this.#warm.filter((other) => other !== job);
    this.#changed("frame");
    await this.#options.store.forget(id);
    await this.#results.forget(id);
  }

  /** Gives up every part that is submitted. A later page resumes the jobs. */
  async stop(): Promise<void> {
    this.#life.abort(new ManyhandsError("PEER_LOST", "This tab has left the swarm."));
    for (const { run } of this.#jobs.values()) run?.stop(this.#life.signal.reason as Error);
    await this.#results.flushed();
  }

  #freshId(): JobId {
    return asJobId(toHex(this.#options.random(new Uint8Array(16))));
  }

  #plan(id: JobId, request: TaskRequest): PlannedJob {
    const { self: owner, now, kinds } = this.#options;
    return planJob(request, { id, owner, nowMs: now(), kinds });
  }

  #runOptions(reservation: Reservation | undefined, onChange: () => void): JobRunOptions {
    const { pool, self, now } = this.#options;
    return { dispatcher: pool.dispatcher, results: this.#results, self, reservation: reservation?.id ?? null, now, onChange };
  }

  async #reserve({ rewardMicro, parts }: JobHead): Promise<Reservation | undefined> {
    const micro = rewardMicro * parts;
    return micro > 0 ? this.#options.reserve?.(micro, DEFAULTS.reserveMs) : undefined;
  }

  #find(id: JobId): Job {
    const job = this.#jobs.get(id);
    if (job === undefined)
      throw new ManyhandsError("BAD_INPUT", "There is no such job here: it was forgotten, or handed over in another browser.");
    return job;
  }

  #eachRun(act: (run: JobRun) => void): void {
    for (const { run } of this.#jobs.values()) if (run !== undefined) act(run);
    for (const run of this.#unlisted) act(run);
  }

  async #dataOf({ head }: Job): Promise<unknown> {
    const data = await this.#options.store.data(head.id);
    if (data === undefined) throw new ManyhandsError("BAD_INPUT", "The data of this job is not kept any more. Hand it over again.");
    return data;
  }

  /** Starts the run of a job of an earlier page; settled parts come from the store. Throws what the job failed with. */
  async #revive(job: Job): Promise<JobRun> {
    const { head } = job;
    if (head.problem !== undefined) throw new ManyhandsError(head.problem.code, head.problem.message);
    if (head.state === "stopped") throw STOPPED;
    if (isOpen(job) && head.owner !== this.#options.self)
      throw new ManyhandsError("BAD_INPUT", "Another tab of this browser has this job under way.");
    const kind = this.#options.kinds.get(head.kind);
    const data = await this.#dataOf(job);
    if (kind === undefined) throw new ManyhandsError("BAD_INPUT", `There is no kind of task called ${head.kind} any more.`);
    const reservation = isOpen(job) ? await this.#reserve(head) : undefined;
    if (job.run === undefined) return this.#start(job, { kind, data, parts: kind.split(data), reservation });
    void reservation?.release(); // another call revived it meanwhile
    return job.run;
  }

  #start(job: Job, { kind, data, parts, reservation }: Startable): JobRun {
    const wasOpen = isOpen(job);
    const run = new JobRun(
      this.#runOptions(reservation, () => this.#live.settled()),
      job.head,
      kind,
      data,
      parts,
    );
    job.run = run;
    const end = this.#live.begin();
    const over = (): void => {
      end();
      void reservation?.release();
    };
    run.value.then(over, over);
    run.value.then(
      () => (wasOpen ? this.#end(job, "done", undefined) : this.#keepWarm(job)),
      (error: unknown) => {
        if (this.#life.signal.aborted) return; // a later page resumes it
        if (!wasOpen) job.run = undefined;
        else if (error === STOPPED) this.#end(job, "stopped", undefined);
        else this.#end(job, "failed", { code: errorCode(error) ?? "TASK_FAILED", message: errorMessage(error) });
      },
    );
    return run;
  }

  #end(job: Job, state: "done" | "failed" | "stopped", problem: JobHead["problem"]): void {
    job.head = { ...job.head, ...job.run?.counts, state, problem, endedMs: this.#options.now() };
    if (state === "done") this.#keepWarm(job);
    else job.run = undefined;
    const onError = (error: unknown): void =>
      this.#options.log.warn("the list of jobs is not kept up to date", { message: errorMessage(error) });
    // The results first: a job that is kept as done is not computed again.
    void this.#results
      .flushed()
      .then(() => (this.#jobs.has(job.head.id) ? this.#options.store.update(job.head) : undefined))
      .catch(onError);
    const over = [...this.#jobs.values()].filter((each) => !isOpen(each));
    for (const { head } of over.slice(0, -DEFAULTS.history)) this.forget(head.id).catch(onError);
    this.#changed("frame");
  }

  /** Keeps the outputs of a few jobs that are over in memory; those of other jobs come from the store. */
  #keepWarm(job: Job): void {
    this.#warm = [...this.#warm.filter((other) => other !== job), job];
    for (const cold of this.#warm.splice(0, Math.max(0, this.#warm.length - DEFAULTS.warm))) cold.run = undefined;
  }

  #changed(urgency: "frame" | "counts"): void {
    this.#options.onChange(this.views, urgency);
  }
}

/** One error for all: its identity distinguishes jobs that were stopped from jobs that failed. */
const STOPPED = new ManyhandsError("TASK_FAILED", "This job was stopped.");

const isOpen = ({ head }: Job): boolean => head.state === "open";

const viewOf = ({ head, run }: Job): JobView => headView({ ...head, ...run?.counts }, head.state === "open" ? run?.computing : undefined);
