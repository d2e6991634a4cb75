// A requester's page among real volunteers in one process, whose runners count; a reload is a new page over the same stores.
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
import { loadKinds, PLAIN_KINDS } from "../../src/tasks/kinds/find-kind.ts";
import { LocalRunner, type TaskRunner } from "../../src/tasks/volunteer/local-runner.ts";
import { memoryJobStores } from "../../src/tasks/jobs/memory-job-stores.ts";
import { Standings } from "../../src/tasks/dispatch/standings.ts";
import type { Bytes } from "../../src/tasks/task-kind.ts";
import { Volunteer } from "../../src/tasks/volunteer/volunteer.ts";
import type { JobStores } from "../../src/tasks/jobs/job-stores.ts";
import { Jobs } from "../../src/tasks/jobs/jobs.ts";
import type { JobView } from "../../src/tasks/jobs/job.ts";

const KINDS = await loadKinds();
const PLAIN = [...(await loadKinds(PLAIN_KINDS)).values()];

/** Runs like a volunteer's and counts; `hold` makes it wait, `twist` lie. */
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

/** A requester's page among volunteers; a reload is a new page over the same stores. */
export class World {
  readonly network = new MemoryNetwork();
  readonly over = new AbortController();
  readonly stores: JobStores = memoryJobStores();
  readonly runners = new Map<PeerId, CountingRunner>();
  readonly own = new CountingRunner();
  /** Milliseconds since 1970, for jobs; stands still unless a test moves it. */
  nowMs = Date.now();
  #swarm: Swarm = { revision: 0, peers: [] };
  readonly #listeners = new Set<(swarm: Swarm) => void>();
  #mesh: LoopbackMesh | undefined;
  readonly #pages: { board: VolunteerPool; desk: Jobs }[] = [];

  join(name: string): CountingRunner {
    const peer = asPeerId(name);
    const runner = new CountingRunner();
    this.runners.set(peer, runner);
    const mesh = this.network.join(peer);
    const volunteer = new Volunteer({ self: peer, runners: [runner], clock: systemClock, salt });
    mesh.handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    this.#tell([...this.#swarm.peers, recordOf(peer)]);
    return runner;
  }

  leave(name: string): void {
    this.network.cut(asPeerId(name));
    this.#tell(this.#swarm.peers.filter(({ peer }) => peer !== name));
  }

  async page(views: (jobs: readonly JobView[]) => void = () => {}): Promise<{ board: VolunteerPool; desk: Jobs }> {
    const self = asPeerId("requester");
    this.#mesh ??= this.#joinOwn(self);
    const mesh = this.#mesh;
    const directory = {
      swarm: this.#swarm,
      on: ((_, listener: (swarm: Swarm) => void) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      }) as Directory["on"], // one event is listened to
    };
    Object.defineProperty(directory, "swarm", { get: () => this.#swarm });
    const random = (): number => Math.random();
    const board = new VolunteerPool({
      mesh,
      directory,
      standings: new Standings(),
      clock: systemClock,
      random,
      log: silentLog,
    });
    const desk = new Jobs({
      self,
      pool: board,
      kinds: KINDS,
      book: this.stores.book,
      results: this.stores.results,
      clock: systemClock,
      now: () => this.nowMs,
      random: (bytes) => crypto.getRandomValues(bytes),
      log: silentLog,
      onChange: views,
    });
    const page = { board, desk };
    this.#pages.push(page);
    await desk.resume();
    return page;
  }

  async close(page: { board: VolunteerPool; desk: Jobs }): Promise<void> {
    await page.desk.stop();
    page.board.stop();
  }

  async end(): Promise<void> {
    for (const page of this.#pages) await this.close(page);
  }

  get ran(): number {
    return [...this.runners.values(), this.own].reduce((total, { ran }) => total + ran, 0);
  }

  /** The requester computes too, as its tab does. */
  #joinOwn(self: PeerId): LoopbackMesh {
    const mesh = new LoopbackMesh(this.network.join(self));
    const volunteer = new Volunteer({ self, runners: [this.own], clock: systemClock, salt });
    mesh.handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    return mesh;
  }

  #tell(peers: readonly PeerRecord[]): void {
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

/** Makes worlds that end with their test. To be called once in a file. */
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
