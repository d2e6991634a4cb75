// Claims are checked asynchronously: what becomes of a task meanwhile.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { Dispatcher } from "../../../src/tasks/dispatch/dispatcher.ts";
import { withCode } from "../../../src/tasks/kinds/find-kind.ts";
import { sum } from "../../../src/tasks/kinds/sum.ts";
import { linkVolunteer } from "../../../src/tasks/dispatch/volunteer-link.ts";
import { LocalRunner } from "../../../src/tasks/volunteer/local-runner.ts";
import { Standings } from "../../../src/tasks/dispatch/standings.ts";
import { Volunteer } from "../../../src/tasks/volunteer/volunteer.ts";
import { computeJob } from "../../../tools/sim/compute-job.ts";

describe("while a claim is checked", () => {
  const once = { quorum: 1, most: 1 };
  let over: AbortController;
  let network: MemoryNetwork;
  let dispatcher: Dispatcher;
  /** Answers a check that is under way; one for each. */
  let checks: ((isOwn: boolean) => void)[];
  let events: string[];

  beforeEach(() => {
    over = new AbortController();
    network = new MemoryNetwork();
    checks = [];
    events = [];
    dispatcher = new Dispatcher({
      clock: systemClock,
      random: Math.random,
      standings: new Standings(),
      checkClaim: () => new Promise((resolve) => void checks.push(resolve)),
    });
    for (const name of ["task:settled", "claim:forged", "peer:wrong"] as const) dispatcher.on(name, () => events.push(name));
    void dispatcher.watch(over.signal);
    const mesh = network.join(asPeerId("requester"));
    for (const name of ["one", "other"]) {
      const volunteer = new Volunteer({
        self: asPeerId(name),
        runners: [new LocalRunner([withCode("sum", sum)])],
        clock: systemClock,
        salt: () => crypto.getRandomValues(new Uint8Array(16)),
        claim: async () => ({ finishedMs: 1, signature: new Uint8Array(64) }),
      });
      network.join(asPeerId(name)).handle(PROTOCOLS.task, (link) => volunteer.accept(link));
      void linkVolunteer(asPeerId(name), { mesh, clock: systemClock, random: Math.random, dispatcher, log: silentLog }, over.signal);
    }
  });
  afterEach(() => over.abort(new Error("the test is over")));

  const total = (signal: AbortSignal): Promise<unknown> =>
    computeJob(dispatcher, { kind: "sum", data: { floats: [1, 2, 3] }, replication: once }, signal);
  const checked = (count: number): Promise<void> => vi.waitFor(() => expect(checks.length).toBe(count));

  it("nobody else gets the task, and it is settled by the answer", async () => {
    const answer = total(over.signal);
    await checked(1);
    await systemClock.sleep(600); // two looks at the leases
    expect([checks.length, events]).toEqual([1, []]);
    checks[0]?.(true);
    expect(await answer).toBe(6);
    expect(events).toEqual(["task:settled"]);
  });

  it("a task that is given up is neither settled nor held against its worker", async () => {
    for (const isOwn of [true, false]) {
      const stop = new AbortController();
      const answer = total(stop.signal);
      await checked(isOwn ? 1 : 2);
      stop.abort(new Error("nobody wants it"));
      await expect(answer).rejects.toThrow("nobody wants it");
      checks.at(-1)?.(isOwn);
      await systemClock.sleep(20);
    }
    expect([events, dispatcher.open]).toEqual([[], 0]);
  });

  it("a claim that is somebody else's costs its worker the task", async () => {
    const answer = total(over.signal);
    await checked(1);
    checks[0]?.(false);
    await checked(2);
    checks[1]?.(true);
    expect(await answer).toBe(6);
    expect(events).toEqual(["claim:forged", "peer:wrong", "task:settled"]);
  });
});
