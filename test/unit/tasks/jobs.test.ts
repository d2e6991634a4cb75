// Jobs over real volunteers in one process: handed over, watched, stopped, resumed by a later page, and taken from kept
// results.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { asPeerId } from "../../../src/shared/ids.ts";
import type { TaskRequest } from "../../../src/tasks/jobs/job.ts";
import { Random } from "../../../tools/sim/random.ts";
import { worldMaker } from "../../support/task-world.ts";

const worldOf = worldMaker();

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

describe("a job", () => {
  it("has its value computed by volunteers and this tab", async () => {
    const world = worldOf("a-volunteer", "b-volunteer");
    const { jobs } = await world.page();
    const data = items(3000, 1);
    const id = await jobs.distribute({ kind: "hash", data: { items: data } });
    expect(hexes(await jobs.wait(id))).toEqual(data.map(sha));
    expect(jobs.views[0]).toMatchObject({ id, kind: "hash", label: "hash", state: "done", cached: 0, wrong: 0, problem: undefined });
    expect(jobs.views[0]?.done).toBe(jobs.views[0]?.parts);
    expect(world.own.ran).toBeGreaterThan(0);
  });

  it("is computed by this tab alone if there are no volunteers, and by volunteers alone if it says so", async () => {
    const world = worldOf();
    const { jobs } = await world.page();
    expect(await jobs.wait(await jobs.distribute({ kind: "sum", data: { wholes: [1n, 2n] } }))).toBe(3n);
    const id = await jobs.distribute({ kind: "sum", data: { wholes: [3n, 4n] }, own: false });
    world.join("a-volunteer");
    world.join("b-volunteer");
    const before = world.own.ran;
    expect(await jobs.wait(id)).toBe(7n);
    expect(world.own.ran).toBe(before);
    expect(jobs.views[0]).toMatchObject({ checked: 1, peers: 2 });
  });

  it("reports each part once, those that are settled already first", async () => {
    const world = worldOf("a-volunteer");
    const { jobs } = await world.page();
    const numbers = wholes(400_000, 2);
    const id = await jobs.distribute({ kind: "sum", data: { wholes: numbers } });
    const early: number[] = [];
    jobs.watch(id, (at) => early.push(at));
    expect(await jobs.wait(id)).toBe(numbers.reduce((total, number) => total + number, 0n));
    const late: number[] = [];
    jobs.watch(id, (at) => late.push(at));
    const all = Array.from({ length: jobs.views[0]?.parts ?? 0 }, (_, at) => at);
    expect(all.length).toBeGreaterThan(5);
    expect(early.toSorted((a, b) => a - b)).toEqual(all);
    expect(late).toEqual(all);
  });

  it("is resumed by the next page, and no part that was settled is computed again", async () => {
    const world = worldOf("a-volunteer");
    const first = await world.page();
    const gate = Promise.withResolvers<void>();
    const data = items(4000, 3);
    const id = await first.jobs.distribute({ kind: "hash", data: { items: data } });
    let settled = 0;
    await new Promise<void>((resolve) => {
      first.jobs.watch(id, () => {
        if (++settled < 3) return;
        world.own.hold = () => gate.promise; // the other parts have to wait
        for (const runner of world.runners.values()) runner.hold = () => gate.promise;
        resolve();
      });
    });
    await world.close(first);
    const kept = settled;
    gate.resolve();
    const before = world.ran;
    const second = await world.page();
    expect(hexes(await second.jobs.wait(id))).toEqual(data.map(sha));
    const view = second.jobs.views[0];
    expect(view).toMatchObject({ state: "done", cached: kept });
    // Each part once by this tab, or twice if a newcomer's result is checked; and the three that were held at the
    // reload.
    expect(world.ran - before).toBeLessThanOrEqual(2 * ((view?.parts ?? 0) - kept) + 3);
  });

  it("takes kept results if it is handed over again", async () => {
    const world = worldOf("a-volunteer");
    const first = await world.page();
    const data = items(3000, 4);
    await first.jobs.wait(await first.jobs.distribute({ kind: "hash", data: { items: data } }));
    await world.close(first);
    const before = world.ran;
    const { jobs } = await world.page();
    const again = await jobs.distribute({ kind: "hash", data: { items: data } });
    expect(hexes(await jobs.wait(again))).toEqual(data.map(sha));
    expect(world.ran).toBe(before);
    expect(jobs.views[0]?.cached).toBe(jobs.views[0]?.parts);
  });

  it("keeps its value for a later page when it is over", async () => {
    const world = worldOf();
    const first = await world.page();
    const id = await first.jobs.distribute({ kind: "sort", data: { strings: ["b", "a"] } });
    await first.jobs.wait(id);
    await world.close(first);
    const before = world.ran;
    const { jobs } = await world.page();
    expect(jobs.views).toMatchObject([{ id, state: "done", parts: 1, done: 1 }]);
    expect(await jobs.wait(id)).toEqual(["a", "b"]);
    expect(await jobs.data(id)).toEqual({ strings: ["b", "a"] });
    expect(world.ran).toBe(before);
  });

  it("ends when it is stopped, and stays stopped", async () => {
    const world = worldOf();
    world.own.hold = () => new Promise(() => {});
    const first = await world.page();
    const id = await first.jobs.distribute({ kind: "sum", data: { floats: [1, 2] } });
    const waiting = first.jobs.wait(id);
    first.jobs.cancel(id);
    await expect(waiting).rejects.toMatchObject({ code: "TASK_FAILED" });
    expect(first.jobs.views).toMatchObject([{ state: "stopped" }]);
    await world.close(first);
    const { jobs } = await world.page();
    expect(jobs.views).toMatchObject([{ id, state: "stopped" }]);
    await expect(jobs.wait(id)).rejects.toMatchObject({ code: "TASK_FAILED" });
  });

  it("is gone with its results when it is forgotten", async () => {
    const world = worldOf();
    const { jobs } = await world.page();
    const request: TaskRequest<"sum"> = { kind: "sum", data: { floats: [1, 2] } };
    const id = await jobs.distribute(request);
    await jobs.wait(id);
    await jobs.forget(id);
    expect(jobs.views).toEqual([]);
    await expect(jobs.wait(id)).rejects.toMatchObject({ code: "BAD_INPUT" });
    const before = world.ran;
    expect(await jobs.wait(await jobs.distribute(request))).toBe(3);
    expect(world.ran).toBe(before + 1);
  });

  it("fails when its time is up, and a later page says so", async () => {
    const world = worldOf();
    world.own.hold = () => new Promise(() => {});
    const first = await world.page();
    const id = await first.jobs.distribute({ kind: "sum", data: { floats: [5, 2] }, deadlineMs: 1 });
    await expect(first.jobs.wait(id)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(first.jobs.views).toMatchObject([{ state: "failed", problem: { code: "TIMEOUT" } }]);
    await world.close(first);
    const later = await world.page();
    expect(later.jobs.views).toMatchObject([{ id, state: "failed", problem: { code: "TIMEOUT" } }]);
    await expect(later.jobs.wait(id)).rejects.toMatchObject({ code: "TIMEOUT" });
  });

  it("fails on a later page if its time was up between the two", async () => {
    const world = worldOf();
    world.own.hold = () => new Promise(() => {});
    const first = await world.page();
    const id = await first.jobs.distribute({ kind: "sum", data: { floats: [5, 2] }, deadlineMs: 60_000 });
    await world.close(first);
    world.nowMs += 60_001;
    const later = await world.page();
    await expect(later.jobs.wait(id)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(later.jobs.views).toMatchObject([{ id, state: "failed", problem: { code: "TIMEOUT" } }]);
  });

  it("survives the loss of a volunteer that computes it", async () => {
    const world = worldOf("a-volunteer", "b-volunteer", "c-volunteer");
    const { jobs } = await world.page();
    const data = items(4000, 5);
    const held = world.runners.get(asPeerId("a-volunteer"));
    if (held) held.hold = () => new Promise(() => {}); // it accepts tasks, and is lost with them
    const id = await jobs.distribute({ kind: "hash", data: { items: data }, own: false });
    await new Promise<void>((resolve) => void jobs.watch(id, () => resolve()));
    world.leave("a-volunteer");
    expect(hexes(await jobs.wait(id))).toEqual(data.map(sha));
  });

  it("has the right value although a volunteer lies, and says how many results were wrong", async () => {
    const world = worldOf("a-volunteer", "b-volunteer", "c-volunteer");
    const liar = world.runners.get(asPeerId("b-volunteer"));
    if (liar) liar.twist = (output) => output.map((byte) => byte ^ 1);
    const { jobs } = await world.page();
    const data = items(4000, 6);
    const id = await jobs.distribute({ kind: "hash", data: { items: data }, own: false });
    expect(hexes(await jobs.wait(id))).toEqual(data.map(sha));
    expect(jobs.views[0]?.wrong).toBeGreaterThan(0);
  });

  it("goes on when another job that has the same task is stopped", async () => {
    const world = worldOf();
    const gate = Promise.withResolvers<void>();
    world.own.hold = () => gate.promise;
    const { jobs } = await world.page();
    const request: TaskRequest<"sum"> = { kind: "sum", data: { floats: [8, 2] } };
    const [first, second] = [await jobs.distribute(request), await jobs.distribute(request)];
    jobs.cancel(first);
    gate.resolve();
    expect(await jobs.wait(second)).toBe(10);
  });
});
