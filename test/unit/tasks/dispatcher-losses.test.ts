// The dispatcher over volunteers that come, go, fall silent, are busy, and reply late, in virtual time.
import { describe, expect, it } from "vitest";
import type { Task } from "../../../src/protocol/task-frames.ts";
import { bytesEqual } from "../../../src/shared/bytes.ts";
import { numbered, numberOf, rightOutput } from "../../../tools/sim/task-swarm.ts";
import { many, outputs, right, swarmMaker } from "../../support/sim-tasks.ts";

const swarmOf = swarmMaker();

describe("a dispatcher among volunteers that come and go", () => {
  it("assigns the tasks of a lost peer to others at once", async () => {
    const swarm = swarmOf(3);
    const gone = [swarm.join(), swarm.join()];
    swarm.join();
    swarm.join();
    const submitted = many(swarm, 60);
    swarm.clock.in(700, () => gone.forEach((peer) => swarm.kill(peer)));
    expect(outputs(await swarm.all(submitted))).toEqual(right(60));
    expect(swarm.clock.now()).toBeLessThan(700 + 100 * 2 * 60); // it never waits for a lease to end
  });

  it("assigns the tasks of a silent peer to others, and ignores what that peer sends later", async () => {
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
    await swarm.pass(120_000); // it thaws, and all of its results arrive
    expect(settled).toBe(30);
  });

  it("ends the lease of a task that makes no progress", async () => {
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

  it("fails a task with which four peers were lost, and settles the other tasks", async () => {
    const swarm = swarmOf(31);
    const killed: string[] = [];
    const join = (): void => {
      const name = swarm.join({
        ms: (task) => {
          if (numberOf(task) === 1) {
            killed.push(name);
            swarm.clock.in(30, () => {
              swarm.kill(name, swarm.random.whole(1, 2000));
              join(); // each lost peer is replaced, so that this could go on for ever
            });
          }
          return 100;
        },
      });
    };
    for (let n = 0; n < 3; n++) join();
    expect(outputs(await swarm.all(many(swarm, 40)))).toEqual(right(40).map((output, at) => (at === 1 ? "TASK_FAILED" : output)));
    expect(new Set(killed).size).toBeGreaterThanOrEqual(4);
    // When the fourth was lost, some others had begun the task. Of some the requester did not know yet that their last
    // task was over.
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
    expect(results.filter((output, at) => output === right(8)[at]).length).toBe(5); // each of the 12 losses is blamed on one task
    expect(results.filter((output) => output === "TASK_FAILED").length).toBe(3);
  });

  it("waits for a task that may be silent for longer than a lease lasts", async () => {
    const swarm = swarmOf(33);
    const limits = { runMs: 120_000, silentMs: 60_000, memoryBytes: 1024, outputBytes: 64 };
    swarm.join({ steady: 50_000 });
    swarm.join({ steady: 50_000 });
    expect(outputs(await swarm.all([swarm.submit(numbered(0, { limits }))]))).toEqual([right(1)[0]]);
    expect(swarm.computed.get(0)).toBe(2);
  });

  it("assigns to others the tasks that wait at a volunteer that starts no more", async () => {
    const swarm = swarmOf(34);
    const busy = swarm.join({ ms: () => 400 });
    const once = { replication: { quorum: 1, most: 1 } };
    const submitted = Array.from({ length: 10 }, (_, at) => swarm.submit(numbered(at, once)));
    await swarm.pass(200);
    swarm.volunteers.get(busy)?.setSlots(0);
    swarm.join({ ms: () => 400 });
    await swarm.all(submitted, 60_000);
    expect(outputs(await swarm.all(submitted))).toEqual(right(10));
    expect(swarm.computed.get(0)).toBe(1); // the task that had begun went on
  });

  it("assigns to an idle volunteer the tasks that wait at one that seemed faster", async () => {
    const swarm = swarmOf(35);
    const once = { replication: { quorum: 1, most: 1 } };
    const ms = (task: Task): number => (numberOf(task) < 40 ? 2 : 300);
    swarm.join({ ms });
    await swarm.all(Array.from({ length: 40 }, (_, at) => swarm.submit(numbered(at, once)))); // these seem to be little work, so forty lie there at once
    const begunMs = swarm.clock.now();
    const submitted = Array.from({ length: 40 }, (_, at) => swarm.submit(numbered(40 + at, once)));
    await swarm.pass(50);
    swarm.join({ ms });
    await swarm.all(submitted, 60_000);
    expect(swarm.clock.now() - begunMs).toBeLessThan(0.6 * 40 * 300); // alone it takes all of that time
    for (let at = 40; at < 80; at++) expect(swarm.computed.get(at)).toBe(1); // tasks that have begun are not taken away
  });

  it("waits while no volunteer computes the kind, and goes on when one comes", async () => {
    const swarm = swarmOf(10);
    swarm.join({ kinds: ["other"] });
    const submitted = many(swarm, 5);
    await swarm.pass(60_000);
    expect(swarm.dispatcher.open).toBe(5);
    swarm.join();
    swarm.join();
    expect(outputs(await swarm.all(submitted))).toEqual(right(5));
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
