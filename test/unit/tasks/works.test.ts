// Works over real volunteers in one process: asked for, watched, stopped, gone on with by a later page, answered from what is kept.
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import type { Directory, Swarm } from "../../../src/mesh/directory.ts";
import { LoopbackMesh } from "../../../src/mesh/loopback-mesh.ts";
import { MemoryNetwork } from "../../../src/mesh/memory-mesh.ts";
import { TaskBoard } from "../../../src/node/task-board.ts";
import type { PeerRecord } from "../../../src/protocol/directory-frames.ts";
import type { Task } from "../../../src/protocol/task-frames.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { errorCode } from "../../../src/shared/errors.ts";
import { asPeerId, asWorkId, type PeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { hash } from "../../../src/tasks/kinds/hash.ts";
import { multiply } from "../../../src/tasks/kinds/multiply.ts";
import { render } from "../../../src/tasks/kinds/render.ts";
import { sort } from "../../../src/tasks/kinds/sort.ts";
import { sum } from "../../../src/tasks/kinds/sum.ts";
import { LocalRunner, type TaskRunner } from "../../../src/tasks/local-runner.ts";
import { memoryTaskStores } from "../../../src/tasks/memory-task-stores.ts";
import { Standings } from "../../../src/tasks/standings.ts";
import type { Bytes } from "../../../src/tasks/task-kind.ts";
import { Volunteer } from "../../../src/tasks/volunteer.ts";
import type { TaskStores } from "../../../src/tasks/work-book.ts";
import { mapStream } from "../../../src/tasks/map-stream.ts";
import { WorkDesk } from "../../../src/tasks/work-desk.ts";
import type { TaskRequest, WorkView } from "../../../src/tasks/work.ts";
import { Random } from "../../../tools/sim/random.ts";

const KINDS = [sum, multiply, sort, hash, render];

/** Runs like a volunteer's and counts; `hold` makes it wait, `twist` lie. */
class CountingRunner implements TaskRunner {
  readonly kinds = KINDS;
  readonly #below = new LocalRunner(KINDS);
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
class World {
  readonly network = new MemoryNetwork();
  readonly over = new AbortController();
  readonly stores: TaskStores = memoryTaskStores();
  readonly runners = new Map<PeerId, CountingRunner>();
  readonly own = new CountingRunner();
  #swarm: Swarm = { revision: 0, peers: [] };
  readonly #listeners = new Set<(swarm: Swarm) => void>();
  #mesh: LoopbackMesh | undefined;
  readonly #pages: { board: TaskBoard; desk: WorkDesk }[] = [];

  join(name: string): CountingRunner {
    const peer = asPeerId(name);
    const runner = new CountingRunner();
    this.runners.set(peer, runner);
    const mesh = this.network.join(peer);
    const volunteer = new Volunteer({ self: peer, runner, clock: systemClock, salt });
    mesh.handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    this.#tell([...this.#swarm.peers, recordOf(peer)]);
    return runner;
  }

  leave(name: string): void {
    this.network.cut(asPeerId(name));
    this.#tell(this.#swarm.peers.filter(({ peer }) => peer !== name));
  }

  async page(views: (works: readonly WorkView[]) => void = () => {}): Promise<{ board: TaskBoard; desk: WorkDesk }> {
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
    const board = new TaskBoard({
      mesh,
      directory,
      standings: new Standings(),
      clock: systemClock,
      random,
      log: silentLog,
    });
    const desk = new WorkDesk({
      self,
      pool: board,
      book: this.stores.book,
      results: this.stores.results,
      clock: systemClock,
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(bytes),
      log: silentLog,
      onChange: views,
    });
    const page = { board, desk };
    this.#pages.push(page);
    await desk.resume();
    return page;
  }

  async close(page: { board: TaskBoard; desk: WorkDesk }): Promise<void> {
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
    const volunteer = new Volunteer({ self, runner: this.own, clock: systemClock, salt });
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

let worlds: World[] = [];
const worldOf = (...names: readonly string[]): World => {
  const world = new World();
  for (const name of names) world.join(name);
  worlds.push(world);
  return world;
};
afterEach(async () => {
  for (const world of worlds) await world.end();
  worlds = [];
});

const wholes = (count: number, seed: number): readonly bigint[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => BigInt(Math.floor((random.next() - 0.5) * 1e15)) * 1_000_003n);
};
const items = (count: number, seed: number): readonly Uint8Array[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => random.bytes(new Uint8Array(1 + Math.floor(random.next() * 2000))));
};
const sha = (item: Uint8Array): string => createHash("sha256").update(item).digest("hex");
const hexes = (hashes: readonly Uint8Array[]): readonly string[] => hashes.map((each) => Buffer.from(each).toString("hex"));

describe("a work", () => {
  it("gives its value, computed by volunteers and this tab", async () => {
    const world = worldOf("a-volunteer", "b-volunteer");
    const { desk } = await world.page();
    const data = items(3000, 1);
    const id = await desk.distribute({ kind: "hash", data: { items: data } });
    expect(hexes(await desk.wait(id))).toEqual(data.map(sha));
    expect(desk.views[0]).toMatchObject({ id, kind: "hash", label: "hash", state: "done", cached: 0, wrong: 0, problem: undefined });
    expect(desk.views[0]?.done).toBe(desk.views[0]?.parts);
    expect(world.own.ran).toBeGreaterThan(0);
  });

  it("is done by this tab alone where nobody is there, and by others alone where it asks for that", async () => {
    const world = worldOf();
    const { desk } = await world.page();
    expect(await desk.wait(await desk.distribute({ kind: "sum", data: { wholes: [1n, 2n] } }))).toBe(3n);
    const id = await desk.distribute({ kind: "sum", data: { wholes: [3n, 4n] }, own: false });
    world.join("a-volunteer");
    world.join("b-volunteer");
    const before = world.own.ran;
    expect(await desk.wait(id)).toBe(7n);
    expect(world.own.ran).toBe(before);
    expect(desk.views[0]).toMatchObject({ checked: 1, peers: 2 });
  });

  it("tells of its parts, those of before first, and of each once", async () => {
    const world = worldOf("a-volunteer");
    const { desk } = await world.page();
    const numbers = wholes(400_000, 2);
    const id = await desk.distribute({ kind: "sum", data: { wholes: numbers } });
    const early: number[] = [];
    desk.watch(id, (at) => early.push(at));
    expect(await desk.wait(id)).toBe(numbers.reduce((total, number) => total + number, 0n));
    const late: number[] = [];
    desk.watch(id, (at) => late.push(at));
    const all = Array.from({ length: desk.views[0]?.parts ?? 0 }, (_, at) => at);
    expect(all.length).toBeGreaterThan(5);
    expect(early.toSorted((a, b) => a - b)).toEqual(all);
    expect(late).toEqual(all);
  });

  it("is gone on with by the next page, and nothing that was settled is computed again", async () => {
    const world = worldOf("a-volunteer");
    const first = await world.page();
    const gate = Promise.withResolvers<void>();
    const data = items(4000, 3);
    const id = await first.desk.distribute({ kind: "hash", data: { items: data } });
    let settled = 0;
    await new Promise<void>((resolve) => {
      first.desk.watch(id, () => {
        if (++settled < 3) return;
        world.own.hold = () => gate.promise; // the rest has to wait
        for (const runner of world.runners.values()) runner.hold = () => gate.promise;
        resolve();
      });
    });
    await world.close(first);
    const kept = settled;
    gate.resolve();
    const before = world.ran;
    const second = await world.page();
    expect(hexes(await second.desk.wait(id))).toEqual(data.map(sha));
    const view = second.desk.views[0];
    expect(view).toMatchObject({ state: "done", cached: kept });
    // Each part once by this tab, or twice where a newcomer's result is checked; and what was held at the reload.
    expect(world.ran - before).toBeLessThanOrEqual(2 * ((view?.parts ?? 0) - kept) + 3);
  });

  it("is answered from what is kept when it is asked again, whole or in part", async () => {
    const world = worldOf("a-volunteer");
    const first = await world.page();
    const data = items(3000, 4);
    await first.desk.wait(await first.desk.distribute({ kind: "hash", data: { items: data } }));
    await world.close(first);
    const before = world.ran;
    const { desk } = await world.page();
    const again = await desk.distribute({ kind: "hash", data: { items: data } });
    expect(hexes(await desk.wait(again))).toEqual(data.map(sha));
    expect(world.ran).toBe(before);
    expect(desk.views[0]?.cached).toBe(desk.views[0]?.parts);
  });

  it("keeps the value of a work that is over, for a later page", async () => {
    const world = worldOf();
    const first = await world.page();
    const id = await first.desk.distribute({ kind: "sort", data: { strings: ["b", "a"] } });
    await first.desk.wait(id);
    await world.close(first);
    const before = world.ran;
    const { desk } = await world.page();
    expect(desk.views).toMatchObject([{ id, state: "done", parts: 1, done: 1 }]);
    expect(await desk.wait(id)).toEqual(["a", "b"]);
    expect(await desk.data(id)).toEqual({ strings: ["b", "a"] });
    expect(world.ran).toBe(before);
  });

  it("ends when it is stopped, and stays so", async () => {
    const world = worldOf();
    world.own.hold = () => new Promise(() => {});
    const first = await world.page();
    const id = await first.desk.distribute({ kind: "sum", data: { floats: [1, 2] } });
    const waiting = first.desk.wait(id);
    first.desk.cancel(id);
    await expect(waiting).rejects.toMatchObject({ code: "TASK_FAILED" });
    expect(first.desk.views).toMatchObject([{ state: "stopped" }]);
    await world.close(first);
    const { desk } = await world.page();
    expect(desk.views).toMatchObject([{ id, state: "stopped" }]);
    await expect(desk.wait(id)).rejects.toMatchObject({ code: "TASK_FAILED" });
  });

  it("is gone when it is forgotten, with its results", async () => {
    const world = worldOf();
    const { desk } = await world.page();
    const request: TaskRequest<"sum"> = { kind: "sum", data: { floats: [1, 2] } };
    const id = await desk.distribute(request);
    await desk.wait(id);
    await desk.forget(id);
    expect(desk.views).toEqual([]);
    await expect(desk.wait(id)).rejects.toMatchObject({ code: "BAD_INPUT" });
    const before = world.ran;
    expect(await desk.wait(await desk.distribute(request))).toBe(3);
    expect(world.ran).toBe(before + 1);
  });

  it("fails when its time is up, also on a later page", async () => {
    const world = worldOf();
    world.own.hold = () => new Promise(() => {});
    const first = await world.page();
    const id = await first.desk.distribute({ kind: "sum", data: { floats: [5, 2] }, deadlineMs: 1 });
    await expect(first.desk.wait(id)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(first.desk.views).toMatchObject([{ state: "failed", problem: { code: "TIMEOUT" } }]);
  });

  it("survives the volunteer that computes it", async () => {
    const world = worldOf("a-volunteer", "b-volunteer", "c-volunteer");
    const { desk } = await world.page();
    const data = items(4000, 5);
    const held = world.runners.get(asPeerId("a-volunteer"));
    if (held) held.hold = () => new Promise(() => {}); // takes work, and is gone with it
    const id = await desk.distribute({ kind: "hash", data: { items: data }, own: false });
    await new Promise<void>((resolve) => void desk.watch(id, () => resolve()));
    world.leave("a-volunteer");
    expect(hexes(await desk.wait(id))).toEqual(data.map(sha));
  });

  it("is right although a volunteer lies, and says how many results were wrong", async () => {
    const world = worldOf("a-volunteer", "b-volunteer", "c-volunteer");
    const liar = world.runners.get(asPeerId("b-volunteer"));
    if (liar) liar.twist = (output) => output.map((byte) => byte ^ 1);
    const { desk } = await world.page();
    const data = items(4000, 6);
    const id = await desk.distribute({ kind: "hash", data: { items: data }, own: false });
    expect(hexes(await desk.wait(id))).toEqual(data.map(sha));
    expect(desk.views[0]?.wrong).toBeGreaterThan(0);
  });

  it("that asks for the same task as another goes on when the other is stopped", async () => {
    const world = worldOf();
    const gate = Promise.withResolvers<void>();
    world.own.hold = () => gate.promise;
    const { desk } = await world.page();
    const request: TaskRequest<"sum"> = { kind: "sum", data: { floats: [8, 2] } };
    const [first, second] = [await desk.distribute(request), await desk.distribute(request)];
    desk.cancel(first);
    gate.resolve();
    expect(await desk.wait(second)).toBe(10);
  });
});

describe("bad input", () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ["no request", undefined],
    ["an unknown kind", { kind: "guess", data: {} }],
    ["a kind by the name of an object's own", { kind: "constructor", data: {} }],
    ["no data", { kind: "sum" }],
    ["data of another kind", { kind: "sum", data: { items: [] } }],
    ["texts for numbers", { kind: "sum", data: { floats: ["1", "2"] } }],
    ["numbers for big integers", { kind: "sum", data: { wholes: [1, 2] } }],
    ["matrices that do not fit", { kind: "multiply", data: { floats: [matrix(2, 3), matrix(2, 3)] } }],
    ["a matrix with a hole", { kind: "multiply", data: { floats: [{ rows: 2, columns: 2, elements: [1, 2, 3] }, matrix(2, 2)] } }],
    ["a scene without a camera", { kind: "render", data: { width: 8, height: 8 } }],
    ["a scene with NaN", { kind: "render", data: scene(Number.NaN) }],
    ["a scene with an infinity", { kind: "render", data: scene(Infinity) }],
    ["an item over the limit", { kind: "hash", data: { items: [new Uint8Array(1024 * 1024)] } }],
    ["a module that is no bytes", { kind: "map", data: { program: { language: "wasm", module: "AAAA" }, inputs: [] } }],
    ["a program in another language", { kind: "map", data: { program: { language: "python", source: "" }, inputs: [1] } }],
    ["a reward that is no number", { kind: "sum", data: { floats: [1] }, reward: Number.NaN }],
    ["a negative reward", { kind: "sum", data: { floats: [1] }, reward: -1 }],
    ["an endless deadline", { kind: "sum", data: { floats: [1] }, deadlineMs: Infinity }],
    ["a priority that is no number", { kind: "sum", data: { floats: [1] }, priority: "high" }],
    ["a limit that there is none of", { kind: "sum", data: { floats: [1] }, limits: { bytes: 1 } }],
    ["a limit over the limit", { kind: "sum", data: { floats: [1] }, limits: { memoryBytes: 2 ** 40 } }],
    ["a quorum that cannot be reached", { kind: "sum", data: { floats: [1] }, replication: { quorum: 3, most: 2 } }],
    ["data that is no data", { kind: "map", data: { program: { language: "js", source: "(x) => x" }, inputs: [() => 1] } }],
  ];

  it.each(bad)("is refused before anything is kept or computed: %s", async (_, request) => {
    const world = worldOf();
    const { desk } = await world.page();
    const error: unknown = await desk.distribute(request as TaskRequest).catch((thrown: unknown) => thrown);
    expect(errorCode(error)).toBe("BAD_INPUT");
    expect((error as Error).message).toMatch(/^[A-Za-z].{15,400}\.$/); // a sentence, and no more than a few
    expect(desk.views).toEqual([]);
    expect(await world.stores.book.heads()).toEqual([]);
  });

  it("has an answer for works that there are none of", async () => {
    const { desk } = await worldOf().page();
    await expect(desk.wait(asWorkId("00"))).rejects.toMatchObject({ code: "BAD_INPUT" });
    expect(() => desk.watch(asWorkId("00"), () => {})).toThrow(/no such work/);
    desk.cancel(asWorkId("00"));
    await desk.forget(asWorkId("00"));
  });
});

describe("a stream of values", () => {
  it("comes in the order of the inputs", async () => {
    const { desk } = await worldOf("a-volunteer").page();
    const counts = [300_000, 1, 70_000, 2];
    const inputs = counts.map((count) => ({ floats: new Float64Array(count).fill(count) }));
    const values: unknown[] = [];
    for await (const value of mapStream((request, signal) => desk.compute(request, signal), "sum", inputs, {})) values.push(value);
    expect(values).toEqual(counts.map((count) => count ** 2));
  });

  it("comes as it is computed, where that is asked for", async () => {
    const gates = new Map([1, 2, 3].map((number) => [number, Promise.withResolvers<number>()]));
    const compute = ({ data }: TaskRequest): Promise<unknown> =>
      gates.get(data as unknown as number)?.promise ?? Promise.reject(new Error("no gate"));
    const values: unknown[] = [];
    gates.get(2)?.resolve(20);
    for await (const value of mapStream(compute, "sum", [1, 2, 3], { ordered: false })) {
      values.push(value);
      if (value === 20) gates.get(3)?.resolve(30);
      if (value === 30) gates.get(1)?.resolve(10);
    }
    expect(values).toEqual([20, 30, 10]);
  });

  it("takes inputs only as values are read, and gives up the rest when it is left", async () => {
    const { desk } = await worldOf().page();
    let taken = 0;
    let left = false;
    const inputs = (function* () {
      try {
        for (;;) yield { wholes: [BigInt(taken++)] };
      } finally {
        left = true;
      }
    })();
    for await (const value of mapStream((request, signal) => desk.compute(request, signal), "sum", inputs, { ahead: 5 }))
      if (value === 20n) break;
    expect(taken).toBeLessThanOrEqual(27);
    expect(left).toBe(true);
  });

  it("takes inputs that come late, and does not hold up what is there", async () => {
    const { desk } = await worldOf().page();
    const gate = Promise.withResolvers<void>();
    const inputs = (async function* () {
      yield { wholes: [1n] };
      await gate.promise;
      yield { wholes: [2n] };
    })();
    const values: unknown[] = [];
    for await (const value of mapStream((request, signal) => desk.compute(request, signal), "sum", inputs, {})) {
      values.push(value);
      gate.resolve(); // only after the first value is here
    }
    expect(values).toEqual([1n, 2n]);
  });

  it("ends with what an input is refused for", async () => {
    const { desk } = await worldOf().page();
    const stream = mapStream((request, signal) => desk.compute(request, signal), "sum", [{ wholes: [1n] }, { wholes: ["x"] }], {});
    expect((await stream.next()).value).toBe(1n);
    await expect(stream.next()).rejects.toMatchObject({ code: "BAD_INPUT" });
  });
});

function matrix(rows: number, columns: number): { rows: number; columns: number; elements: number[] } {
  return { rows, columns, elements: Array.from({ length: rows * columns }, (_, at) => at) };
}

function scene(x: number): unknown {
  return {
    width: 8,
    height: 8,
    samples: 1,
    bounces: 1,
    seed: 1,
    camera: { position: [x, 1, 5], target: [0, 0, 0], viewHeight: 1 },
    sky: { horizon: [1, 1, 1], zenith: [1, 1, 1] },
    materials: [{ kind: "matt", colour: [1, 1, 1] }],
    spheres: [],
    triangles: [],
    lights: [],
  };
}
