// Sessions over spans that different peers hold: they equal one unsplit session to the bit, and are refused where they
// should be.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../../src/engine/contract.ts";
import type { RouteFailure } from "../../../src/inference/requester/route-mender.ts";
import { RouteSession, type RouteSessionOptions } from "../../../src/inference/requester/route-session.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asPeerId, asSessionId } from "../../../src/shared/ids.ts";
import { bundledEngine, BUNDLED } from "../../support/bundled-model.ts";
import { allIdle, type MemorySwarm, nobody, randomBytes, startMemorySwarm } from "../../support/memory-swarm.ts";

const signal = new AbortController().signal;

describe("RouteSession", () => {
  let swarm: MemorySwarm;
  let whole: Engine;
  let defaults: RouteSessionOptions;
  beforeAll(async () => {
    swarm = await startMemorySwarm([3, 6]);
    whole = await bundledEngine(0, 8);
    defaults = {
      mesh: swarm.guest("a-guest-with-a-prompt"),
      random: randomBytes,
      clock: systemClock,
      model: BUNDLED.id,
      route: swarm.route,
      vocabularySize: 2000,
      topK: 50,
      maxPositions: 64,
    };
  });
  afterAll(async () => {
    await swarm.stop();
    await whole.dispose();
  });
  const open = (options: Partial<RouteSessionOptions> = {}): Promise<RouteSession> =>
    RouteSession.open({ ...defaults, ...options }, signal);

  it("gives the logits of one unsplit session, in prefill and in decoding", async () => {
    const session = await open();
    const own = asSessionId("0".repeat(32));
    await whole.open(own, 64);
    let position = 0;
    for (const tokens of [[0, 17, 300, 42, 5, 999], [7], [1999], [3, 4], [64]]) {
      const answer = await session.step(tokens, signal);
      const expected = await whole.step({
        session: own,
        position,
        count: tokens.length,
        tokens: Int32Array.from(tokens),
        hidden: undefined,
        topK: 50,
      });
      position += tokens.length;
      expect(answer.logits.ids).toEqual(expected.logits?.ids);
      expect(answer.logits.values).toEqual(expected.logits?.values);
      expect(answer.logits.logSumExp).toBeCloseTo(expected.logits?.logSumExp ?? Number.NaN, 5);
      expect(answer.timings.map(({ start, end }) => [start, end])).toEqual([
        [0, 3],
        [3, 6],
        [6, 8],
      ]);
    }
    await session.close();
    await whole.close(own);
  });

  it("may be opened by a peer that is itself part of the route", async () => {
    const peer = swarm.peers[1];
    if (!peer) throw new Error("three peers");
    const session = await open({ mesh: peer.mesh });
    const answer = await session.step([0, 17, 300], signal);
    expect(answer.logits.ids).toHaveLength(50);
    await session.close();
  });

  it("does not mix with others that run at the same time", async () => {
    const prompts = [
      [0, 11, 12],
      [0, 500],
      [0, 1, 2, 3, 4],
    ];
    const alone = [];
    for (const prompt of prompts) {
      const session = await open();
      alone.push((await session.step(prompt, signal)).logits.values);
      await session.close();
    }
    const sessions = await Promise.all(prompts.map(() => open()));
    const together = await Promise.all(sessions.map((session, index) => session.step(prompts[index] ?? [], signal)));
    expect(together.map((answer) => answer.logits.values)).toEqual(alone);
    await Promise.all(sessions.map((session) => session.close()));
  });

  it("frees every span's cache when it closes, and when the requester dies", async () => {
    const session = await open();
    expect(swarm.peers.map(({ service }) => service.openSessions)).toEqual([1, 1, 1]);
    await session.close();
    await allIdle(swarm);
    const dying = swarm.guest("a-requester-that-dies");
    const lost = await open({ mesh: dying });
    await lost.step([0, 1], signal);
    swarm.network.cut(dying.self);
    await allIdle(swarm);
  });

  it("reports which peer cannot be reached", async () => {
    const failures: RouteFailure[] = [];
    const [first, , last] = swarm.route;
    if (!first || !last) throw new Error("three hops");
    const route = [first, { peer: nobody, span: { start: 3, end: 6 } }, last];
    await expect(open({ route, onFailure: (failure) => failures.push(failure) })).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    expect(failures.map(({ peer }) => peer)).toEqual([nobody]);
  });

  it("refuses a span that is not served, a model that is not held, and more positions than the context has", async () => {
    const [first, second] = swarm.route;
    if (!first || !second) throw new Error("three hops");
    await expect(open({ route: [{ ...first, span: { start: 0, end: 8 } }] })).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    const model = BUNDLED.id.replace("b", "x") as typeof BUNDLED.id;
    await expect(open({ model })).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    await expect(open({ maxPositions: 513 })).rejects.toMatchObject({ code: "SESSION_REFUSED" });
  });

  it("fails a running step when a peer of the route dies, and reports which peer that was", async () => {
    const other = await startMemorySwarm([2]);
    const failures: RouteFailure[] = [];
    const session = await open({
      mesh: other.guest("a-requester"),
      route: other.route,
      onFailure: (failure) => failures.push(failure),
    });
    await session.step([0, 5], signal);
    other.network.cut(asPeerId("peer-of-layers-2-8"));
    await expect(session.step([7], signal)).rejects.toMatchObject({ code: "PEER_LOST" });
    expect(failures.map(({ peer }) => peer)).toEqual([asPeerId("peer-of-layers-2-8")]);
    await session.close();
    await other.stop();
  });

  it("stops at the signal", async () => {
    const session = await open();
    const stop = new AbortController();
    const step = session.step(
      Array.from({ length: 60 }, (_, i) => i),
      stop.signal,
    );
    stop.abort(new Error("the person pressed stop"));
    await expect(step).rejects.toThrow("the person pressed stop");
    await session.close();
  });
});
