// This tab's tasks: opens what is kept of them, shows it, and joins the swarm when there is something to compute.
import { systemClock } from "../../shared/clock.ts";
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { JobId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { TaskKindName } from "../../tasks/kinds/kind-list.ts";
import { loadKinds } from "../../tasks/kinds/find-kind.ts";
import { mapStream, type ProgramOptions } from "../../tasks/jobs/map-stream.ts";
import { memoryJobStores } from "../../tasks/jobs/memory-job-stores.ts";
import { Standings } from "../../tasks/dispatch/standings.ts";
import type { JobStores } from "../../tasks/jobs/job-stores.ts";
import type { Witnesses } from "../../tasks/dispatch/witnesses.ts";
import { Jobs } from "../../tasks/jobs/jobs.ts";
import type { OnPart } from "../../tasks/jobs/job-run.ts";
import { watchLater } from "../../tasks/jobs/watch-later.ts";
import { headView, type JobHead, type JobView } from "../../tasks/jobs/job.ts";
import type { TabAccount } from "../credit/tab-account.ts";
import { orInMemory } from "../platform/or-in-memory.ts";
import { VolunteerPool, type VolunteerPoolDeps } from "./volunteer-pool.ts";
import type { TaskReceipts } from "../credit/task-receipts.ts";
import type { TaskTiles } from "./task-tiles.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two writings of what was learned of peers. */
  standingsMs: 5_000,
  /** Milliseconds for which the ledger is waited for. */
  ledgerMs: 10_000,
});

/** What of a joined tab tasks need. */
export interface TaskGround extends Pick<VolunteerPoolDeps, "mesh" | "directory"> {
  readonly credit: Pick<TabAccount, "reserve">;
  readonly taskReceipts: TaskReceipts;
  readonly taskTiles: Pick<TaskTiles, "serve">;
  readonly witnesses: Witnesses;
}

export interface TabJobsDeps {
  readonly join: () => Promise<TaskGround>;
  readonly openStores: () => Promise<JobStores>;
  readonly log: Log;
  readonly onJobs: (jobs: readonly JobView[], urgency: "frame" | "counts") => void;
}

interface Open {
  readonly desk: Jobs;
  readonly board: VolunteerPool;
}

/** Runs from construction until `stop`. */
export class TabJobs {
  readonly #deps: TabJobsDeps;
  readonly #stores: Promise<JobStores>;
  readonly #life = new AbortController();
  #standings: Promise<Standings> | undefined;
  #opening: Promise<Open> | undefined;
  #open: Open | undefined;

  constructor(deps: TabJobsDeps) {
    this.#deps = deps;
    this.#stores = orInMemory(deps.openStores(), memoryJobStores, "jobs", deps.log);
    void this.#showKept();
  }

  /** What this tab learned of peers, now and in earlier visits; what is learned from now on is kept. Never rejects. */
  standings(): Promise<Standings> {
    return (this.#standings ??= this.#readStandings());
  }

  /** The desk of jobs, once this tab has joined. Throws what joining throws. */
  async desk(): Promise<Jobs> {
    return (await this.#opened()).desk;
  }

  watch(id: JobId, onPart: OnPart): () => void {
    if (this.#open !== undefined) return this.#open.desk.watch(id, onPart);
    return watchLater(
      this.#opened(),
      ({ desk }) => desk.watch(id, onPart),
      (error) => this.#deps.log.warn("a job is not watched", { message: errorMessage(error) }),
    );
  }

  cancel(id: JobId): void {
    if (this.#open !== undefined) this.#open.desk.cancel(id);
    else
      void this.#opened().then(
        ({ desk }) => desk.cancel(id),
        () => {},
      ); // it is not going on either
  }

  async *map(
    kind: TaskKindName,
    inputs: Iterable<unknown> | AsyncIterable<unknown>,
    options: Partial<ProgramOptions> = {},
  ): AsyncGenerator<unknown, void> {
    const { desk } = await this.#opened();
    yield* mapStream((request, signal) => desk.compute(request, signal), kind, inputs, options);
  }

  async stop(): Promise<void> {
    this.#life.abort(new Error("the tab leaves"));
    const open = await this.#opening?.catch(() => undefined); // it never opened
    await open?.desk.stop();
    open?.board.stop();
    (await this.#stores).close();
  }

  /** Jobs of earlier visits; one that was under way is gone on with at once. */
  async #showKept(): Promise<void> {
    const { book } = await this.#stores;
    let heads: readonly JobHead[];
    try {
      heads = await book.heads();
    } catch (error) {
      this.#deps.log.warn("jobs of an earlier visit could not be read", { message: errorMessage(error) });
      return;
    }
    if (this.#open !== undefined || heads.length === 0) return;
    this.#deps.onJobs(heads.map(headView).toReversed(), "frame");
    if (heads.some(({ state }) => state === "open")) await this.#opened().catch(() => undefined); // the relay's state says so
  }

  #opened(): Promise<Open> {
    this.#opening ??= this.#openDesk().catch((error: unknown) => {
      this.#opening = undefined; // the next call tries again
      throw error;
    });
    return this.#opening;
  }

  async #openDesk(): Promise<Open> {
    const { join, log, onJobs } = this.#deps;
    const [stores, { mesh, directory, credit, taskReceipts: receipts, taskTiles, witnesses }] = await Promise.all([this.#stores, join()]);
    const kinds = await loadKinds(); // the relay, which serves their code, has just answered
    this.#life.signal.throwIfAborted();
    const standings = await this.standings();
    const board = new VolunteerPool({
      mesh,
      directory,
      receipts,
      witnesses,
      standings,
      clock: systemClock,
      random: Math.random,
      log,
    });
    const desk = new Jobs({
      self: mesh.self,
      pool: board,
      kinds,
      book: stores.book,
      results: stores.results,
      clock: systemClock,
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(bytes),
      log,
      reserve: async (micro, forMs) => {
        const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(DEFAULTS.ledgerMs)]);
        try {
          const aside = await credit.reserve(micro, forMs, signal);
          const release = async (): Promise<void> => {
            await receipts.made(); // what it pays is asked for until then
            await aside.release();
          };
          return { ...aside, release };
        } catch (cause) {
          this.#life.signal.throwIfAborted();
          if (!signal.aborted) throw cause;
          throw new ManyhandsError(
            "LEDGER_UNAVAILABLE",
            "The ledger does not answer, so no credit can be set aside now. Try again, or offer none.",
            { cause },
          );
        }
      },
      onChange: onJobs,
    });
    // Jobs that are gone on with may name tiles that this browser keeps.
    taskTiles.serve().catch((error: unknown) => log.warn("tiles of tasks are not given away", { message: errorMessage(error) }));
    await desk.resume();
    this.#open = { desk, board };
    return this.#open;
  }

  async #readStandings(): Promise<Standings> {
    const stores = await this.#stores;
    const rows = await stores.standings.all().catch((error: unknown) => {
      this.#deps.log.warn("what was learned of peers could not be read", { message: errorMessage(error) });
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
        .catch((error: unknown) => this.#deps.log.warn("standings are not kept", { message: errorMessage(error) }));
    }
  }
}
