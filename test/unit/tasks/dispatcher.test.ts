// The dispatcher over volunteers that come, go, fall silent, fail, lie and answer late, in virtual time.
import { afterEach, describe, expect, it } from "vitest";
import type { Task } from "../../../src/protocol/task-frames.ts";
import { bytesEqual, toHex } from "../../../src/shared/bytes.ts";
import { errorCode } from "../../../src/shared/errors.ts";
import type { Settled } from "../../../src/tasks/task-record.ts";
import { numbered, numberOf, rightOutput, TaskSwarm } from "../../../tools/sim/task-swarm.ts";

let open: TaskSwarm[] = [];
const swarmOf = (seed: number): TaskSwarm => {
  const swarm = new TaskSwarm(seed);
  open.push(swarm);
  return swarm;
};
afterEach(() => {
  for (const swarm of open) swarm.over.abort();
  open = [];
});

const outputs = (results: readonly PromiseSettledResult<Settled>[]): string[] =>
  results.map((result) => (result.status === "fulfilled" ? toHex(result.value.output) : String(errorCode(result.reason))));
const right = (count: number): string[] => Array.from({ length: count }, (_, at) => toHex(rightOutput(numbered(at))));
const many = (swarm: TaskSwarm, count: number) => Array.from({ length: count }, (_, at) => swarm.submit(numbered(at)));

describe("a dispatcher", () => {
  it("settles every task with the right output, once", async () => {
    const swarm = swarmOf(1);
    for (let n = 0; n < 4; n++) swarm.join();
    const settled: string[] = [];
    swarm.dispatcher.on("task:settled", ({ id }) => settled.push(id));
    expect(outputs(await swarm.all(many(swarm, 200)))).toEqual(right(200));
    expect(new Set(settled).size).toBe(200);
    expect(settled.length).toBe(200);
    expect(swarm.dispatcher.open).toBe(0);
  });

  it("has every result of newcomers checked, and few of the trusted", async () => {
    const swarm = swarmOf(2);
    for (let n = 0; n < 2; n++) swarm.join({ ms: () => 10 });
    const early = await swarm.all(many(swarm, 10));
    expect(early.every((result) => result.status === "fulfilled" && result.value.verdict === "quorum")).toBe(true);
    await swarm.all(Array.from({ length: 1000 }, (_, at) => swarm.submit(numbered(10 + at))));
    const computed = [...swarm.computed.values()].reduce((sum, times) => sum + times, 0);
    expect(computed).toBeGreaterThan(1010 * 1.03);
    expect(computed).toBeLessThan(1010 * 1.25);
  });

  it("lends again at once what a peer held that vanishes", async () => {
    const swarm = swarmOf(3);
    const gone = [swarm.join(), swarm.join()];
    swarm.join();
    swarm.join();
    const submitted = many(swarm, 60);
    swarm.clock.in(700, () => gone.forEach((peer) => swarm.kill(peer)));
    expect(outputs(await swarm.all(submitted))).toEqual(right(60));
    expect(swarm.clock.now()).toBeLessThan(700 + 100 * 2 * 60); // never waits for a lease to run out
  });

  it("lends again what a peer holds that falls silent, and drops what that one says later", async () => {
    const swarm = swarmOf(4);
    const frozen = swarm.join();
    swarm.join();
    swarm.join();
    let settled = 0;
    swarm.dispatcher.on("task:settled", () => settled++);
    const submitted = many(swarm, 30);
    swarm.clock.in(250, () => swarm.network.freeze(frozen, 100_000));
    expect(outputs(await swarm.all(submitted))).toEqual(right(30));
    expect(swarm.clock.now()).toBeLessThan(30_000);
    await swarm.pass(120_000); // it thaws, and all that it had computed arrives
    expect(settled).toBe(30);
  });

  it("takes a lease away from a task that makes no progress", async () => {
    const swarm = swarmOf(5);
    swarm.join({ isSilent: true });
    swarm.join();
    swarm.join();
    expect(outputs(await swarm.all(many(swarm, 6), 200_000))).toEqual(right(6));
  });

  it("keeps a lease as long as there is progress", async () => {
    const swarm = swarmOf(6);
    swarm.join({ ms: () => 45_000 });
    swarm.join({ ms: () => 45_000 });
    expect(outputs(await swarm.all(many(swarm, 2)))).toEqual(right(2));
    expect([...swarm.computed.values()]).toEqual([2, 2]);
  });

  it("fails a task after two peers report a fault, and no earlier", async () => {
    const swarm = swarmOf(7);
    let tries = 0;
    for (let n = 0; n < 5; n++) swarm.join({ fails: (task) => numberOf(task) === 1 && ++tries > 0 });
    expect(outputs(await swarm.all(many(swarm, 3)))).toEqual([right(3)[0], "TASK_FAILED", right(3)[2]]);
    expect(tries).toBeGreaterThanOrEqual(2);
    expect(tries).toBeLessThanOrEqual(3);
  });

  it("does not let one peer's word fail a task", async () => {
    const swarm = swarmOf(8);
    const liar = swarm.join({ fails: () => true });
    swarm.join();
    swarm.join();
    expect(outputs(await swarm.all(many(swarm, 20)))).toEqual(right(20));
    expect(swarm.standings.of(liar, "timed").faults).toBeGreaterThan(0);
  });

  it("fails a task that its only volunteer fails twice", async () => {
    const swarm = swarmOf(9);
    swarm.join({ fails: () => true });
    expect(outputs(await swarm.all(many(swarm, 1)))).toEqual(["TASK_FAILED"]);
  });

  it("fails a task by which four peers were lost, and settles the ones beside it", async () => {
    const swarm = swarmOf(31);
    const killed: string[] = [];
    const join = (): void => {
      const name = swarm.join({
        ms: (task) => {
          if (numberOf(task) === 1) {
            killed.push(name);
            swarm.clock.in(30, () => {
              swarm.kill(name, swarm.random.whole(1, 2000));
              join(); // whoever was lost is replaced, so that it could go on for ever
            });
          }
          return 100;
        },
      });
    };
    for (let n = 0; n < 3; n++) join();
    expect(outputs(await swarm.all(many(swarm, 40)))).toEqual(right(40).map((output, at) => (at === 1 ? "TASK_FAILED" : output)));
    expect(new Set(killed).size).toBeGreaterThanOrEqual(4);
    // Some had begun it when the fourth was lost; of others the requester had not heard yet that they were over with the one before.
    expect(killed.length).toBeLessThanOrEqual(8);
  });

  it("does not blame the tasks that wait at a peer that is lost", async () => {
    const swarm = swarmOf(32);
    const submitted = many(swarm, 8);
    for (let n = 0; n < 12; n++) {
      const name = swarm.join({ ms: () => 10_000 });
      await swarm.pass(200);
      swarm.kill(name);
      await swarm.pass(12_000);
    }
    for (let n = 0; n < 3; n++) swarm.join();
    const results = outputs(await swarm.all(submitted));
    expect(results.filter((output, at) => output === right(8)[at]).length).toBe(5); // each of 12 deaths blamed one of them
    expect(results.filter((output) => output === "TASK_FAILED").length).toBe(3);
  });

  it("waits for a task that may be silent for longer than a lease", async () => {
    const swarm = swarmOf(33);
    const limits = { runMs: 120_000, silentMs: 60_000, memoryBytes: 1024, outputBytes: 64 };
    swarm.join({ steady: 50_000 });
    swarm.join({ steady: 50_000 });
    expect(outputs(await swarm.all([swarm.submit(numbered(0, { limits }))]))).toEqual([right(1)[0]]);
    expect(swarm.computed.get(0)).toBe(2);
  });

  it("gives to others what waits at a volunteer that starts nothing more", async () => {
    const swarm = swarmOf(34);
    const busy = swarm.join({ ms: () => 400 });
    const once = { replication: { quorum: 1, most: 1 } };
    const submitted = Array.from({ length: 10 }, (_, at) => swarm.submit(numbered(at, once)));
    await swarm.pass(200);
    swarm.volunteers.get(busy)?.setSlots(0);
    swarm.join({ ms: () => 400 });
    await swarm.all(submitted, 60_000);
    expect(outputs(await swarm.all(submitted))).toEqual(right(10));
    expect(swarm.computed.get(0)).toBe(1); // what it had begun it ended
  });

  it("gives to whoever is idle what lies at another that was taken for faster", async () => {
    const swarm = swarmOf(35);
    const once = { replication: { quorum: 1, most: 1 } };
    const ms = (task: Task): number => (numberOf(task) < 40 ? 2 : 300);
    swarm.join({ ms });
    await swarm.all(Array.from({ length: 40 }, (_, at) => swarm.submit(numbered(at, once)))); // forty at once are little work, it seems
    const begunMs = swarm.clock.now();
    const submitted = Array.from({ length: 40 }, (_, at) => swarm.submit(numbered(40 + at, once)));
    await swarm.pass(50);
    swarm.join({ ms });
    await swarm.all(submitted, 60_000);
    expect(swarm.clock.now() - begunMs).toBeLessThan(0.6 * 40 * 300); // alone it takes all of it
    for (let at = 40; at < 80; at++) expect(swarm.computed.get(at)).toBe(1); // what was begun is not taken away
  });

  it("waits while nobody can, and goes on when somebody comes", async () => {
    const swarm = swarmOf(10);
    swarm.join({ kinds: ["other"] });
    const submitted = many(swarm, 5);
    await swarm.pass(60_000);
    expect(swarm.dispatcher.open).toBe(5);
    swarm.join();
    swarm.join();
    expect(outputs(await swarm.all(submitted))).toEqual(right(5));
  });

  it("catches a wrong result, settles the right one, and checks that peer's every task from then on", async () => {
    const swarm = swarmOf(11);
    const liar = swarm.join({ twist: (task, output) => (numberOf(task) % 5 === 0 ? new Uint8Array(32) : output) });
    for (let n = 0; n < 3; n++) swarm.join();
    const caught: string[] = [];
    swarm.dispatcher.on("peer:wrong", ({ peer }) => caught.push(peer));
    expect(outputs(await swarm.all(many(swarm, 200)))).toEqual(right(200));
    expect(new Set(caught)).toEqual(new Set([liar]));
    expect(swarm.standings.of(liar, "timed").wrong).toBeGreaterThan(0);
  });

  it("opens again what a trusted peer did unchecked before it was caught, and corrects it", async () => {
    const swarm = swarmOf(12);
    let isLying = false;
    const liar = swarm.join({ ms: () => 5, twist: (_task, output) => (isLying ? Uint8Array.of(6) : output) });
    for (let n = 0; n < 3; n++) swarm.join({ ms: () => 5 });
    await swarm.all(many(swarm, 400)); // trust is earned
    isLying = true;
    const handed = new Map<string, string>();
    const opened = new Set<string>();
    const confirmed: Settled[] = [];
    swarm.dispatcher.on("task:reopened", ({ id }) => opened.add(id));
    swarm.dispatcher.on("task:confirmed", (settled) => confirmed.push(settled));
    swarm.dispatcher.on("task:corrected", ({ id, output }) => handed.set(id, toHex(output)));
    const results = await swarm.all(Array.from({ length: 600 }, (_, at) => swarm.submit(numbered(1000 + at))));
    await swarm.pass(60_000);
    results.forEach((result, at) => {
      if (result.status === "rejected") throw result.reason as Error;
      const final = handed.get(result.value.id) ?? toHex(result.value.output);
      expect(final).toBe(toHex(rightOutput(numbered(1000 + at))));
    });
    expect(handed.size).toBeGreaterThan(0);
    expect(confirmed.length + handed.size).toBe(opened.size); // what it did before it lied was right
    expect(confirmed.length).toBeGreaterThan(0);
    for (const { agreed, verdict } of confirmed) expect([verdict, agreed.some(({ peer }) => peer === liar)]).toEqual(["quorum", true]);
    expect(swarm.standings.of(liar, "timed").wrong).toBeGreaterThan(0);
  });

  it("has a task computed again whose output the requester refuses, and does not compare outputs that it takes", async () => {
    const swarm = swarmOf(23);
    const rounded = (task: Task, output: Uint8Array<ArrayBuffer>) => Uint8Array.from([...output.slice(0, 31), numberOf(task)]);
    swarm.join({ twist: rounded });
    swarm.join({ twist: (_, output) => output });
    const liar = swarm.join({ twist: () => new Uint8Array(32) });
    const caught: string[] = [];
    swarm.dispatcher.on("peer:wrong", ({ peer }) => caught.push(peer));
    const looked = { replication: { quorum: 1, most: 1 } };
    const like = (task: Task) => (output: Uint8Array) => bytesEqual(output.slice(0, 31), rightOutput(task).slice(0, 31));
    const tasks = Array.from({ length: 40 }, (_, at) => numbered(at, looked));
    const results = await swarm.all(tasks.map((task) => swarm.submit(task, { accepts: like(task) })));
    results.forEach((result, at) => expect(result.status === "fulfilled" && like(tasks[at] as Task)(result.value.output)).toBe(true));
    expect(new Set(caught)).toEqual(new Set([liar]));
    expect([...swarm.computed.values()].reduce((sum, times) => sum + times, 0)).toBe(40 + caught.length);
  });

  it("fails a task on which nobody agrees", async () => {
    const swarm = swarmOf(13);
    for (let n = 0; n < 6; n++) swarm.join({ twist: () => Uint8Array.of(n) });
    expect(outputs(await swarm.all(many(swarm, 1)))).toEqual(["TASK_FAILED"]);
  });

  it("lends the urgent first: by priority, then by deadline", async () => {
    const swarm = swarmOf(14);
    const done: number[] = [];
    const once = { replication: { quorum: 1, most: 1 } };
    const submitted = [
      swarm.submit(numbered(0, once)),
      swarm.submit(numbered(1, once), { deadlineMs: 500_000 }),
      swarm.submit(numbered(2, once), { priority: 1 }),
      swarm.submit(numbered(3, once), { deadlineMs: 400_000 }),
    ];
    submitted.forEach((promise, at) => void promise.then(() => done.push(at)));
    swarm.join();
    await swarm.all(submitted);
    expect(done).toEqual([2, 3, 1, 0]);
  });

  it("fails a task past its deadline, and frees whoever computes it", async () => {
    const swarm = swarmOf(15);
    const slow = swarm.join({ ms: (task) => (numberOf(task) === 0 ? 50_000 : 10) });
    const once = { replication: { quorum: 1, most: 1 } };
    expect(outputs(await swarm.all([swarm.submit(numbered(0, once), { deadlineMs: 2000 })]))).toEqual(["TIMEOUT"]);
    expect(outputs(await swarm.all([swarm.submit(numbered(1, once))], 4000))).toEqual([toHex(rightOutput(numbered(1)))]);
    expect(swarm.volunteers.get(slow)?.running).toBe(0);
  });

  it("rejects with the signal's reason, and takes nothing whose signal is aborted", async () => {
    const swarm = swarmOf(16);
    const stop = new AbortController();
    const waiting = swarm.submit(numbered(0), { signal: stop.signal });
    stop.abort(new Error("no more"));
    await expect(waiting).rejects.toThrow("no more");
    await expect(swarm.submit(numbered(0), { signal: stop.signal })).rejects.toThrow("no more");
    expect(swarm.dispatcher.open).toBe(0);
  });

  it("computes the same task that is asked for twice once", async () => {
    const swarm = swarmOf(17);
    swarm.join();
    const task = numbered(0, { replication: { quorum: 1, most: 1 } });
    const [a, b] = await swarm.all([swarm.submit(task), swarm.submit(task)]);
    expect(a).toEqual(b);
    expect(swarm.computed.get(0)).toBe(1);
  });

  it("refuses tasks over the limits", async () => {
    const swarm = swarmOf(18);
    const large = { kind: "inline", bytes: new Uint8Array(1024 * 1024 + 1) } as const;
    await expect(swarm.submit(numbered(0, { input: large }))).rejects.toMatchObject({ code: "BAD_INPUT" });
    await expect(swarm.submit(numbered(0, { params: { at: NaN } }))).rejects.toMatchObject({ code: "BAD_INPUT" });
    await expect(swarm.submit(numbered(0, { replication: { quorum: 3, most: 2 } }))).rejects.toMatchObject({ code: "BAD_INPUT" });
  });

  it.each(Array.from({ length: 8 }, (_, seed) => 100 + seed))("loses nothing while a third of the peers die (seed %i)", async (seed) => {
    const swarm = swarmOf(seed);
    for (let n = 0; n < 9; n++) swarm.join({ ms: () => 20 + swarm.random.whole(0, 60) });
    let settled = 0;
    swarm.dispatcher.on("task:settled", () => settled++);
    const submitted = many(swarm, 300);
    const living = [...swarm.volunteers.keys()];
    for (let n = 0; n < 3; n++) {
      swarm.clock.in(swarm.random.whole(50, 3000), () => {
        swarm.kill(living.splice(swarm.random.whole(0, living.length - 1), 1)[0] as never, swarm.random.whole(1, 2000));
        if (swarm.random.chance(0.5)) living.push(swarm.join());
      });
    }
    const results = await swarm.all(submitted);
    results.forEach((result, at) =>
      expect(result.status === "fulfilled" && bytesEqual(result.value.output, rightOutput(numbered(at)))).toBe(true),
    );
    expect(settled).toBe(300);
  });
});
