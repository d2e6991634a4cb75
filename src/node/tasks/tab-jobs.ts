// This tab's jobs: opens what is kept of them, shows it, and joins the swarm when there is something to compute.
import { systemClock } from "../../shared/clock.ts";
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { JobId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { Standings } from "../../tasks/dispatch/standings.ts";
import type { Witnesses } from "../../tasks/dispatch/witnesses.ts";
import type { OnPart } from "../../tasks/jobs/job-run.ts";
import type { JobStores } from "../../tasks/jobs/job-stores.ts";
import { headView, type JobHead, type JobView } from "../../tasks/jobs/job.ts";
import { Jobs, type Reservation } from "../../tasks/jobs/jobs.ts";
import { mapStream, type ProgramOptions } from "../../tasks/jobs/map-stream.ts";
import { memoryJobStores } from "../../tasks/jobs/memory-job-stores.ts";
import { watchPending } from "../../tasks/jobs/watch-pending.ts";
import { loadKinds } from "../../tasks/kinds/find-kind.ts";
import type { TaskKindName } from "../../tasks/kinds/kind-list.ts";
import type { TabAccount } from "../credit/tab-account.ts";
import type { TaskReceipts } from "../credit/task-receipts.ts";
import { orInMemory } from "../platform/or-in-memory.ts";
import type { TaskTiles } from "./task-tiles.ts";
import { VolunteerPool, type VolunteerPoolOptions } from "./volunteer-pool.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two writings of peers' standings. */
  standingsMs: 5_000,
  /** Milliseconds for which a reservation waits for the ledger. */
  ledgerMs: 10_000,
});

/** What jobs need of a joined tab. */
export interface JobServices extends Pick<VolunteerPoolOptions, "mesh" | "directory"> {
  readonly credit: Pick<TabAccount, "reserve">;
  readonly taskReceipts: TaskReceipts;
  readonly taskTiles: Pick<TaskTiles, "serve">;
  readonly witnesses: Witnesses;
}

export interface TabJobsOptions {
  readonly join: () => Promise<JobServices>;
  readonly openStores: () => Promise<JobStores>;
  readonly log: Log;
  readonly onJobs: (jobs: readonly JobView[], urgency: "frame" | "counts") => void;
}

interface Open {
  readonly jobs: Jobs;
  readonly pool: VolunteerPool;
}

/** Runs from construction until `stop`. */
export class TabJobs {
  readonly #options: TabJobsOptions;
  readonly #stores: Promise<JobStores>;
  readonly #life = new AbortController();
  #standings: Promise<Standings> | undefined;
  #opening: Promise<Open> | undefined;
  #open: Open | undefined;

  constructor(options: TabJobsOptions) {
    this.#options = options;
    this.#stores = orInMemory(options.openStores(), memoryJobStores, "jobs", options.log);
    void this.#showKept();
  }

  /**
   * Resolves with what this tab learned of peers, in this visit and in earlier ones; changes are kept. Never rejects.
   */
  standings(): Promise<Standings> {
    return (this.#standings ??= this.#readStandings());
  }

  /** Resolves with the jobs once this tab has joined. Throws what joining throws. */
  async opened(): Promise<Jobs> {
    return (await this.#whenOpen()).jobs;
  }

  /** As `Jobs.watch`. */
  watch(id: JobId, onPart: OnPart): () => void {
    if (this.#open !== undefined) return this.#open.jobs.watch(id, onPart);
    return watchPending(
      this.#whenOpen(),
      ({ jobs }) => jobs.watch(id, onPart),
      (error) => this.#options.log.warn("a job is not watched", { message: errorMessage(error) }),
    );
  }

  /** As `Jobs.cancel`. */
  cancel(id: JobId): void {
    if (this.#open !== undefined) this.#open.jobs.cancel(id);
    else
      void this.#whenOpen().then(
        ({ jobs }) => jobs.cancel(id),
        () => {}, // the job does not go on either
      );
  }

  async *map(
    kind: TaskKindName,
    inputs: Iterable<unknown> | AsyncIterable<unknown>,
    options: Partial<ProgramOptions> = {},
  ): AsyncGenerator<unknown, void> {
    const { jobs } = await this.#whenOpen();
    yield* mapStream((request, signal) => jobs.compute(request, signal), kind, inputs, options);
  }

  async stop(): Promise<void> {
    this.#life.abort(new Error("the tab leaves"));
    const open = await this.#opening?.catch(() => undefined); // it never opened
    await open?.jobs.stop();
    open?.pool.stop();
    (await this.#stores).close();
  }

  /** Shows the jobs of earlier visits, and resumes them at once if any was under way. */
  async #showKept(): Promise<void> {
    const { jobs } = await this.#stores;
    let heads: readonly JobHead[];
    try {
      heads = await jobs.heads();
    } catch (error) {
      this.#options.log.warn("jobs of an earlier visit could not be read", { message: errorMessage(error) });
      return;
    }
    if (this.#open !== undefined || heads.length === 0) return;
    this.#options.onJobs(heads.map((head) => headView(head)).toReversed(), "frame");
    if (heads.some(({ state }) => state === "open")) await this.#whenOpen().catch(() => undefined); // the relay's state says why not
  }

  #whenOpen(): Promise<Open> {
    this.#opening ??= this.#openJobs().catch((error: unknown) => {
      this.#opening = undefined; // the next call tries again
      throw error;
    });
    return this.#opening;
  }

  async #openJobs(): Promise<Open> {
    const { join, log, onJobs } = this.#options;
    const [stores, { mesh, directory, credit, taskReceipts: receipts, taskTiles, witnesses }] = await Promise.all([this.#stores, join()]);
    const kinds = await loadKinds(); // the relay, which serves their code, has just answered
    this.#life.signal.throwIfAborted();
    const standings = await this.standings();
    const pool = new VolunteerPool({
      mesh,
      directory,
      receipts,
      witnesses,
      standings,
      clock: systemClock,
      random: Math.random,
      log,
    });
    const jobs = new Jobs({
      self: mesh.self,
      pool,
      kinds,
      store: stores.jobs,
      results: stores.results,
      clock: systemClock,
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(bytes),
      log,
      reserve: (micro, forMs) => this.#reserve({ credit, receipts }, micro, forMs),
      onChange: onJobs,
    });
    // Jobs that are resumed may name tiles that this browser keeps.
    taskTiles.serve().catch((error: unknown) => log.warn("tiles of tasks are not served", { message: errorMessage(error) }));
    await jobs.resume();
    this.#open = { jobs, pool };
    return this.#open;
  }

  async #reserve(
    { credit, receipts }: { readonly credit: JobServices["credit"]; readonly receipts: TaskReceipts },
    micro: number,
    forMs: number,
  ): Promise<Reservation> {
    const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(DEFAULTS.ledgerMs)]);
    try {
      const reservation = await credit.reserve(micro, forMs, signal);
      const release = async (): Promise<void> => {
        await receipts.made(); // until then receipts ask for the credit that is reserved
        await reservation.release();
      };
      return { ...reservation, release };
    } catch (cause) {
      this.#life.signal.throwIfAborted();
      if (!signal.aborted) throw cause;
      throw new ManyhandsError(
        "LEDGER_UNAVAILABLE",
        "The ledger does not answer, so no credit can be set aside now. Try again, or offer none.",
        { cause },
      );
    }
  }

  async #readStandings(): Promise<Standings> {
    const stores = await this.#stores;
    const rows = await stores.standings.all().catch((error: unknown) => {
      this.#options.log.warn("standings of peers could not be read", { message: errorMessage(error) });
      return [];
    });
    const standings = new Standings(rows);
    void this.#keepStandings(stores, standings);
    return standings;
  }

  async #keepStandings({ standings: store }: JobStores, standings: Standings): Promise<void> {
    let { changes } = standings;
    while (!this.#life.signal.aborted) {
      try {
        await systemClock.sleep(DEFAULTS.standingsMs, this.#life.signal);
      } catch {
        return; // the tab leaves
      }
      if (standings.changes === changes) continue;
      ({ changes } = standings);
      await store
        .put(standings.rows())
        .catch((error: unknown) => this.#options.log.warn("standings of peers are not kept", { message: errorMessage(error) }));
    }
  }
}
