// Sessions over spans held by different peers: equal to one unsplit session to the bit, refused where they should be.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../../src/engine/contract.ts";
import { RouteSession } from "../../../src/inference/requester/route-session.ts";
import type { RouteFailure } from "../../../src/inference/requester/route-session-options.ts";
import type { MemoryMesh } from "../../../src/mesh/memory/memory-mesh.ts";
import { asPeerId, asSessionId } from "../../../src/shared/ids.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { bundledEngine, BUNDLED } from "../../support/bundled-model.ts";
import { allIdle, type MemorySwarm, nobody, randomBytes, startMemorySwarm } from "../../support/memory-swarm.ts";

const OPTIONS = { model: BUNDLED.id, vocabularySize: 2000, topK: 50, maxPositions: 64 };
const signal = new AbortController().signal;

describe("RouteSession", () => {
  let swarm: MemorySwarm;
  let whole: Engine;
  let guest: MemoryMesh;
  beforeAll(async () => {
    swarm = await startMemorySwarm([3, 6]);
    whole = await bundledEngine(0, 8);
    guest = swarm.guest("a-guest-with-a-prompt");
  });
  afterAll(async () => {
    await swarm.stop();
    await whole.dispose();
  });
  const open = (route = swarm.route, failures: RouteFailure[] = []): Promise<RouteSession> =>
    RouteSession.open({ mesh: guest, random: randomBytes, clock: systemClock }, { ...OPTIONS, route }, signal, (failure) =>
      failures.push(failure),
    );

  it("gives the logits of one unsplit session, prefill and decode", async () => {
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

  it("answers a peer that asks itself", async () => {
    const peer = swarm.peers[1];
    if (!peer) throw new Error("three peers");
    const session = await RouteSession.open(
      { mesh: peer.mesh, random: randomBytes, clock: systemClock },
      { ...OPTIONS, route: swarm.route },
      signal,
      () => {},
    );
    const answer = await session.step([0, 17, 300], signal);
    expect(answer.logits.ids).toHaveLength(50);
    await session.close();
  });

  it("serves several sessions at once without mixing them", async () => {
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
    const lost = await RouteSession.open(
      { mesh: dying, random: randomBytes, clock: systemClock },
      { ...OPTIONS, route: swarm.route },
      signal,
      () => {},
    );
    await lost.step([0, 1], signal);
    swarm.network.cut(dying.self);
    await allIdle(swarm);
  });

  it("says which peer cannot be reached", async () => {
    const failures: RouteFailure[] = [];
    const [first, , last] = swarm.route;
    if (!first || !last) throw new Error("three hops");
    await expect(open([first, { peer: nobody, span: { start: 3, end: 6 } }, last], failures)).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
    });
    expect(failures.map(({ peer }) => peer)).toEqual([nobody]);
  });

  it("refuses a span that is not served, a model that is not held, more positions than the context", async () => {
    const [first, second] = swarm.route;
    if (!first || !second) throw new Error("three hops");
    await expect(open([{ ...first, span: { start: 0, end: 8 } }])).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    const deps = { mesh: guest, random: randomBytes, clock: systemClock };
    await expect(
      RouteSession.open(
        deps,
        { ...OPTIONS, model: BUNDLED.id.replace("b", "x") as typeof BUNDLED.id, route: swarm.route },
        signal,
        () => {},
      ),
    ).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    await expect(RouteSession.open(deps, { ...OPTIONS, maxPositions: 513, route: swarm.route }, signal, () => {})).rejects.toMatchObject({
      code: "SESSION_REFUSED",
    });
  });

  it("fails a running step when a peer of the route dies, naming it", async () => {
    const other = await startMemorySwarm([2]);
    const requester = other.guest("a-requester");
    const failures: RouteFailure[] = [];
    const session = await RouteSession.open(
      { mesh: requester, random: randomBytes, clock: systemClock },
      { ...OPTIONS, route: other.route },
      signal,
      (failure) => failures.push(failure),
    );
    await session.step([0, 5], signal);
    other.network.cut(asPeerId("peer-of-layers-2-8"));
    await expect(session.step([7], signal)).rejects.toMatchObject({ code: "PEER_LOST" });
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
