// A requester's page among real volunteers in one process, whose runners count; a reload is a new page over the same
// stores.
import { afterEach } from "vitest";
import type { Directory, Swarm } from "../../src/mesh/ports/directory.ts";
import { LoopbackMesh } from "../../src/mesh/memory/loopback-mesh.ts";
import { MemoryNetwork } from "../../src/mesh/memory/memory-mesh.ts";
import { VolunteerPool } from "../../src/node/tasks/volunteer-pool.ts";
import type { PeerRecord } from "../../src/protocol/directory-frames.ts";
import type { Task } from "../../src/protocol/task-frames.ts";
import { PROTOCOLS } from "../../src/protocol/version.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId, type PeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Standings } from "../../src/tasks/dispatch/standings.ts";
import type { JobStores } from "../../src/tasks/jobs/job-stores.ts";
import type { JobView } from "../../src/tasks/jobs/job.ts";
import { Jobs } from "../../src/tasks/jobs/jobs.ts";
import { memoryJobStores } from "../../src/tasks/jobs/memory-job-stores.ts";
import { loadKinds, PLAIN_KINDS } from "../../src/tasks/kinds/find-kind.ts";
import type { Bytes } from "../../src/tasks/task-kind.ts";
import { LocalRunner, type TaskRunner } from "../../src/tasks/volunteer/local-runner.ts";
import { Volunteer } from "../../src/tasks/volunteer/volunteer.ts";

const KINDS = await loadKinds();
const PLAIN = [...(await loadKinds(PLAIN_KINDS)).values()];

/** Runs tasks as a volunteer does, and counts them; `hold` makes a task wait, `twist` changes its output. */
export class CountingRunner implements TaskRunner {
  readonly kinds = PLAIN;
  readonly #below = new LocalRunner(PLAIN);
  ran = 0;
  hold: ((task: Task) => Promise<void> | undefined) | undefined;
  twist: ((output: Bytes) => Bytes) | undefined;

  async run(...args: Parameters<TaskRunner["run"]>): Promise<Bytes> {
    await this.hold?.(args[0]);
    this.ran++;
    const output = await this.#below.run(...args);
    return this.twist?.(output) ?? output;
  }
}

export interface RequesterPage {
  readonly pool: VolunteerPool;
  readonly jobs: Jobs;
}

export class World {
  readonly network = new MemoryNetwork();
  readonly over = new AbortController();
  readonly stores: JobStores = memoryJobStores();
  readonly runners = new Map<PeerId, CountingRunner>();
  readonly own = new CountingRunner();
  /** Milliseconds since 1970, for jobs; they stand still unless a test moves them. */
  nowMs = Date.now();
  #swarm: Swarm = { revision: 0, peers: [] };
  readonly #listeners = new Set<(swarm: Swarm) => void>();
  #mesh: LoopbackMesh | undefined;
  readonly #pages: RequesterPage[] = [];

  join(name: string): CountingRunner {
    const peer = asPeerId(name);
    const runner = new CountingRunner();
    this.runners.set(peer, runner);
    const mesh = this.network.join(peer);
    const volunteer = new Volunteer({ self: peer, runners: [runner], clock: systemClock, salt });
    mesh.handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    this.#changeSwarm([...this.#swarm.peers, recordOf(peer)]);
    return runner;
  }

  leave(name: string): void {
    this.network.cut(asPeerId(name));
    this.#changeSwarm(this.#swarm.peers.filter(({ peer }) => peer !== name));
  }

  async page(views: (jobs: readonly JobView[]) => void = () => {}): Promise<RequesterPage> {
    const self = asPeerId("requester");
    this.#mesh ??= this.#joinOwn(self);
    const mesh = this.#mesh;
    const directory = {
      swarm: this.#swarm,
      on: ((_, listener: (swarm: Swarm) => void) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      }) as Directory["on"], // there is only one event to listen to
    };
    Object.defineProperty(directory, "swarm", { get: () => this.#swarm });
    const random = (): number => Math.random();
    const pool = new VolunteerPool({
      mesh,
      directory,
      standings: new Standings(),
      clock: systemClock,
      random,
      log: silentLog,
    });
    const jobs = new Jobs({
      self,
      pool,
      kinds: KINDS,
      store: this.stores.jobs,
      results: this.stores.results,
      clock: systemClock,
      now: () => this.nowMs,
      random: (bytes) => crypto.getRandomValues(bytes),
      log: silentLog,
      onChange: views,
    });
    const page = { pool, jobs };
    this.#pages.push(page);
    await jobs.resume();
    return page;
  }

  async close(page: RequesterPage): Promise<void> {
    await page.jobs.stop();
    page.pool.stop();
  }

  async end(): Promise<void> {
    for (const page of this.#pages) await this.close(page);
  }

  /** Tasks that were run so far, by all volunteers and the requester itself. */
  get ran(): number {
    return [...this.runners.values(), this.own].reduce((total, { ran }) => total + ran, 0);
  }

  /** The requester computes, too, as its tab does. */
  #joinOwn(self: PeerId): LoopbackMesh {
    const mesh = new LoopbackMesh(this.network.join(self));
    const volunteer = new Volunteer({ self, runners: [this.own], clock: systemClock, salt });
    mesh.handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    return mesh;
  }

  #changeSwarm(peers: readonly PeerRecord[]): void {
    this.#swarm = { revision: this.#swarm.revision + 1, peers };
    for (const listener of [...this.#listeners]) listener(this.#swarm);
  }
}

const salt = (): Bytes => crypto.getRandomValues(new Uint8Array(16));
const recordOf = (peer: PeerId): PeerRecord => ({
  model: null,
  target: null,
  serving: [],
  backend: "wasm",
  layerMs: null,
  sessions: 0,
  tokensServed: 0,
  host: "page",
  tasks: true,
  peer,
  joined: 0,
});

/** Returns a function that makes worlds, which end with their test. To be called once in a file. */
export function worldMaker(): (...names: readonly string[]) => World {
  let worlds: World[] = [];
  afterEach(async () => {
    for (const world of worlds) await world.end();
    worlds = [];
  });
  return (...names) => {
    const world = new World();
    for (const name of names) world.join(name);
    worlds.push(world);
    return world;
  };
}
