// Claims are checked asynchronously: what happens to a task while its check is under way, in virtual time.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { Dispatcher } from "../../../src/tasks/dispatch/dispatcher.ts";
import { Standings } from "../../../src/tasks/dispatch/standings.ts";
import { linkVolunteer } from "../../../src/tasks/dispatch/volunteer-link.ts";
import { withCode } from "../../../src/tasks/kinds/find-kind.ts";
import { sum } from "../../../src/tasks/kinds/sum.ts";
import { LocalRunner } from "../../../src/tasks/volunteer/local-runner.ts";
import { Volunteer } from "../../../src/tasks/volunteer/volunteer.ts";
import { computeJob } from "../../../tools/sim/compute-job.ts";
import { VirtualClock } from "../../../tools/sim/virtual-clock.ts";

describe("while a claim is checked", () => {
  const once = { quorum: 1, most: 1 };
  let over: AbortController;
  let clock: VirtualClock;
  let dispatcher: Dispatcher;
  /** One function for each check that is under way: it says what the check found. */
  let checks: ((isOwn: boolean) => void)[];
  let events: string[];

  beforeEach(() => {
    over = new AbortController();
    clock = new VirtualClock();
    checks = [];
    events = [];
    dispatcher = new Dispatcher({
      clock,
      random: Math.random,
      standings: new Standings(),
      checkClaim: () => new Promise((resolve) => void checks.push(resolve)),
    });
    for (const name of ["task:settled", "claim:forged", "peer:wrong"] as const) dispatcher.on(name, () => events.push(name));
    void dispatcher.watch(over.signal);
    const network = new MemoryNetwork();
    const mesh = network.join(asPeerId("requester"));
    for (const name of ["one", "other"]) {
      const volunteer = new Volunteer({
        self: asPeerId(name),
        runners: [new LocalRunner([withCode("sum", sum)])],
        clock,
        salt: () => crypto.getRandomValues(new Uint8Array(16)),
        claim: async () => ({ finishedMs: 1, signature: new Uint8Array(64) }),
      });
      network.join(asPeerId(name)).handle(PROTOCOLS.task, (link) => volunteer.accept(link));
      void linkVolunteer(asPeerId(name), { mesh, clock, random: Math.random, dispatcher, log: silentLog }, over.signal);
    }
  });
  afterEach(() => over.abort(new Error("the test is over")));

  const total = (signal: AbortSignal): Promise<unknown> => {
    const value = computeJob(dispatcher, { kind: "sum", data: { floats: [1, 2, 3] }, replication: once }, signal, { clock });
    value.catch(() => {}); // a test may look at it later
    return value;
  };
  const checked = async (count: number): Promise<void> => {
    expect(await clock.run(() => checks.length === count, clock.now() + 60_000)).toBe(true);
  };
  const pass = (ms: number): Promise<boolean> => clock.run(() => false, clock.now() + ms);

  it("nobody else gets the task, and the check settles it", async () => {
    const value = total(over.signal);
    await checked(1);
    await pass(600); // two looks at the leases
    expect([checks.length, events]).toEqual([1, []]);
    checks[0]?.(true);
    expect(await value).toBe(6);
    expect(events).toEqual(["task:settled"]);
  });

  it("a task that is given up is neither settled nor held against its volunteer", async () => {
    for (const isOwn of [true, false]) {
      const stop = new AbortController();
      const value = total(stop.signal);
      await checked(isOwn ? 1 : 2);
      stop.abort(new Error("nobody wants it"));
      await expect(value).rejects.toThrow("nobody wants it");
      checks.at(-1)?.(isOwn);
      await pass(600);
    }
    expect([events, dispatcher.open]).toEqual([[], 0]);
  });

  it("a claim that another peer signed costs its volunteer the task", async () => {
    const value = total(over.signal);
    await checked(1);
    checks[0]?.(false);
    await checked(2);
    checks[1]?.(true);
    expect(await value).toBe(6);
    expect(events).toEqual(["claim:forged", "peer:wrong", "task:settled"]);
  });
});
