// The dispatcher in virtual time: which tasks it settles, checks and fails, over volunteers that are honest, fail, or
// lie.
import { describe, expect, it } from "vitest";
import type { Task } from "../../../src/protocol/task-frames.ts";
import { bytesEqual, toHex } from "../../../src/shared/bytes.ts";
import type { Settled } from "../../../src/tasks/dispatch/task-record.ts";
import { numbered, numberOf, rightOutput } from "../../../tools/sim/task-swarm.ts";
import { many, outputs, right, swarmMaker } from "../../support/sim-tasks.ts";

const swarmOf = swarmMaker();

describe("a dispatcher", () => {
  it("settles every task once, with the right output", async () => {
    const swarm = swarmOf(1);
    for (let n = 0; n < 4; n++) swarm.join();
    const settled: string[] = [];
    swarm.dispatcher.on("task:settled", ({ id }) => settled.push(id));
    expect(outputs(await swarm.all(many(swarm, 200)))).toEqual(right(200));
    expect(new Set(settled).size).toBe(200);
    expect(settled.length).toBe(200);
    expect(swarm.dispatcher.open).toBe(0);
  });

  it("checks every result of newcomers, and few results of trusted peers", async () => {
    const swarm = swarmOf(2);
    for (let n = 0; n < 2; n++) swarm.join({ ms: () => 10 });
    const early = await swarm.all(many(swarm, 10));
    expect(early.every((result) => result.status === "fulfilled" && result.value.verdict === "quorum")).toBe(true);
    await swarm.all(Array.from({ length: 1000 }, (_, at) => swarm.submit(numbered(10 + at))));
    const computed = [...swarm.computed.values()].reduce((sum, times) => sum + times, 0);
    expect(computed).toBeGreaterThan(1010 * 1.03);
    expect(computed).toBeLessThan(1010 * 1.25);
  });

  it("fails a task after two peers report a fault, but not before", async () => {
    const swarm = swarmOf(7);
    let tries = 0;
    for (let n = 0; n < 5; n++) swarm.join({ fails: (task) => numberOf(task) === 1 && ++tries > 0 });
    expect(outputs(await swarm.all(many(swarm, 3)))).toEqual([right(3)[0], "TASK_FAILED", right(3)[2]]);
    expect(tries).toBeGreaterThanOrEqual(2);
    expect(tries).toBeLessThanOrEqual(3);
  });

  it("does not fail a task because of one peer's report", async () => {
    const swarm = swarmOf(8);
    const liar = swarm.join({ fails: () => true });
    swarm.join();
    swarm.join();
    expect(outputs(await swarm.all(many(swarm, 20)))).toEqual(right(20));
    expect(swarm.standings.of(liar, "timed").faults).toBeGreaterThan(0);
  });

  it("fails a task if its only volunteer reports a fault twice", async () => {
    const swarm = swarmOf(9);
    swarm.join({ fails: () => true });
    expect(outputs(await swarm.all(many(swarm, 1)))).toEqual(["TASK_FAILED"]);
  });

  it("catches a wrong result, settles the right one, and checks every task of that peer from then on", async () => {
    const swarm = swarmOf(11);
    const liar = swarm.join({ twist: (task, output) => (numberOf(task) % 5 === 0 ? new Uint8Array(32) : output) });
    for (let n = 0; n < 3; n++) swarm.join();
    const caught: string[] = [];
    swarm.dispatcher.on("peer:wrong", ({ peer }) => caught.push(peer));
    expect(outputs(await swarm.all(many(swarm, 200)))).toEqual(right(200));
    expect(new Set(caught)).toEqual(new Set([liar]));
    expect(swarm.standings.of(liar, "timed").wrong).toBeGreaterThan(0);
  });

  it("reopens the unchecked tasks of a trusted peer when it is caught, and corrects them", async () => {
    const swarm = swarmOf(12);
    let isLying = false;
    const liar = swarm.join({ ms: () => 5, twist: (_task, output) => (isLying ? Uint8Array.of(6) : output) });
    for (let n = 0; n < 3; n++) swarm.join({ ms: () => 5 });
    await swarm.all(many(swarm, 400)); // trust is earned
    isLying = true;
    const corrected = new Map<string, string>();
    const opened = new Set<string>();
    const confirmed: Settled[] = [];
    swarm.dispatcher.on("task:reopened", ({ id }) => opened.add(id));
    swarm.dispatcher.on("task:confirmed", (settled) => confirmed.push(settled));
    swarm.dispatcher.on("task:corrected", ({ id, output }) => corrected.set(id, toHex(output)));
    const results = await swarm.all(Array.from({ length: 600 }, (_, at) => swarm.submit(numbered(1000 + at))));
    await swarm.pass(60_000);
    results.forEach((result, at) => {
      if (result.status === "rejected") throw result.reason as Error;
      const final = corrected.get(result.value.id) ?? toHex(result.value.output);
      expect(final).toBe(toHex(rightOutput(numbered(1000 + at))));
    });
    expect(corrected.size).toBeGreaterThan(0);
    expect(confirmed.length + corrected.size).toBe(opened.size); // its results from before it lied were right
    expect(confirmed.length).toBeGreaterThan(0);
    for (const { agreed, verdict } of confirmed) expect([verdict, agreed.some(({ peer }) => peer === liar)]).toEqual(["quorum", true]);
    expect(swarm.standings.of(liar, "timed").wrong).toBeGreaterThan(0);
  });

  it("has a task computed again if the requester refuses its output, and does not compare outputs that it accepts", async () => {
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

  it("fails a task if no two results agree", async () => {
    const swarm = swarmOf(13);
    for (let n = 0; n < 6; n++) swarm.join({ twist: () => Uint8Array.of(n) });
    expect(outputs(await swarm.all(many(swarm, 1)))).toEqual(["TASK_FAILED"]);
  });

  it("assigns the most urgent task first: by priority, then by deadline", async () => {
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

  it("fails a task past its deadline, and frees the volunteer that computes it", async () => {
    const swarm = swarmOf(15);
    const slow = swarm.join({ ms: (task) => (numberOf(task) === 0 ? 50_000 : 10) });
    const once = { replication: { quorum: 1, most: 1 } };
    expect(outputs(await swarm.all([swarm.submit(numbered(0, once), { deadlineMs: 2000 })]))).toEqual(["TIMEOUT"]);
    expect(outputs(await swarm.all([swarm.submit(numbered(1, once))], 4000))).toEqual([toHex(rightOutput(numbered(1)))]);
    expect(swarm.volunteers.get(slow)?.running).toBe(0);
  });

  it("rejects with the signal's reason, and takes no task whose signal is aborted", async () => {
    const swarm = swarmOf(16);
    const stop = new AbortController();
    const waiting = swarm.submit(numbered(0), { signal: stop.signal });
    stop.abort(new Error("no more"));
    await expect(waiting).rejects.toThrow("no more");
    await expect(swarm.submit(numbered(0), { signal: stop.signal })).rejects.toThrow("no more");
    expect(swarm.dispatcher.open).toBe(0);
  });

  it("computes a task once although it is submitted twice", async () => {
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
});
