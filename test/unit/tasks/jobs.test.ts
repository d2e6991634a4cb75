// Jobs over real volunteers in one process: asked for, watched, stopped, gone on with by a later page, answered from what is kept.
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

  it("fails when its time is up, and a later page says so", async () => {
    const world = worldOf();
    world.own.hold = () => new Promise(() => {});
    const first = await world.page();
    const id = await first.desk.distribute({ kind: "sum", data: { floats: [5, 2] }, deadlineMs: 1 });
    await expect(first.desk.wait(id)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(first.desk.views).toMatchObject([{ state: "failed", problem: { code: "TIMEOUT" } }]);
    await world.close(first);
    const later = await world.page();
    expect(later.desk.views).toMatchObject([{ id, state: "failed", problem: { code: "TIMEOUT" } }]);
    await expect(later.desk.wait(id)).rejects.toMatchObject({ code: "TIMEOUT" });
  });

  it("fails on a later page if its time was up between the two", async () => {
    const world = worldOf();
    world.own.hold = () => new Promise(() => {});
    const first = await world.page();
    const id = await first.desk.distribute({ kind: "sum", data: { floats: [5, 2] }, deadlineMs: 60_000 });
    await world.close(first);
    world.nowMs += 60_001;
    const later = await world.page();
    await expect(later.desk.wait(id)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(later.desk.views).toMatchObject([{ id, state: "failed", problem: { code: "TIMEOUT" } }]);
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
