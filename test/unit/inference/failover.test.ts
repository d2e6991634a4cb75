// Peers leave in the middle of an answer: the text stays that of one machine, whichever peers take their place.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate, type Requester } from "../../../src/inference/generate.ts";
import type { GenerateEvent } from "../../../src/inference/generate-event.ts";
import { ManyhandsError } from "../../../src/shared/errors.ts";
import { asPeerId, type PeerId } from "../../../src/shared/ids.ts";
import { askingWithSpares } from "../../support/asking.ts";
import { allIdle, type MemorySwarm, startMemorySwarm } from "../../support/memory-swarm.ts";

const signal = new AbortController().signal;
const PROMPT = "Once upon a time there was a small robot named Pip. ".repeat(4);
const OPTIONS = { temperature: 0.8, seed: 11, maxTokens: 24 };

describe("an answer", () => {
  let text = "";
  let guests = 0;

  /** Answers over the first three peers of the swarm; the others are spares. */
  const requester = (swarm: MemorySwarm, gone?: ReadonlySet<PeerId>): Requester =>
    askingWithSpares(swarm.guest(`a-guest-${++guests}`), swarm, gone);

  const run = async (
    answer: AsyncIterable<GenerateEvent>,
    onEvent: (event: GenerateEvent, tokens: number) => void = () => {},
  ): Promise<{ readonly text: string; readonly events: readonly GenerateEvent[] }> => {
    const events: GenerateEvent[] = [];
    let tokens = 0;
    for await (const event of answer) {
      events.push(event);
      if (event.kind === "token") tokens++;
      onEvent(event, tokens);
    }
    return { events, text: events.map((event) => (event.kind === "token" || event.kind === "done" ? event.text : "")).join("") };
  };

  /** Three peers that answer, and spares for each of their spans. */
  const start = async (spares: number): Promise<MemorySwarm> => {
    const swarm = await startMemorySwarm([3, 5]);
    for (let n = 0; n < spares; n++)
      for (const [a, b] of [
        [0, 3],
        [3, 5],
        [5, 8],
      ] as const)
        await swarm.add(`spare-${n}-of-${a}-${b}`, a, b);
    return swarm;
  };
  let calm: MemorySwarm;
  beforeAll(async () => {
    calm = await start(0);
    text = (await run(generate(requester(calm), PROMPT, OPTIONS, signal))).text;
    expect(text.length).toBeGreaterThan(20);
  });
  afterAll(() => calm.stop());

  it.each([
    ["the first span", [0]],
    ["a middle span", [1]],
    ["the last span", [2]],
    ["two that are neighbours", [1, 2]],
    ["two that are not", [0, 2]],
    ["all of them", [0, 1, 2]],
  ])("goes on when it loses %s", async (_, indexes) => {
    const swarm = await start(1);
    const lost = indexes.map((index) => swarm.route[index]?.peer ?? asPeerId(""));
    const answer = await run(generate(requester(swarm, new Set(lost)), PROMPT, OPTIONS, signal), (event, tokens) => {
      if (event.kind === "token" && tokens === 9) for (const peer of lost) swarm.network.cut(peer);
    });
    expect(answer.text).toBe(text);
    const rerouted = answer.events.flatMap((event) => (event.kind === "rerouted" ? [event] : []));
    expect(new Set(rerouted.flatMap((event) => event.lost))).toEqual(new Set(lost));
    expect(rerouted[0]?.replayed).toBeGreaterThan(50);
    for (const peer of lost) expect(rerouted.at(-1)?.hops.map((hop) => hop.peer)).not.toContain(peer);
    const alive = swarm.peers.filter(({ hop }) => !lost.includes(hop.peer));
    await allIdle({ ...swarm, peers: alive });
    expect(alive.map(({ service }) => service.loggedBytes)).toEqual(alive.map(() => 0));
    await swarm.stop();
  });

  it("goes on when a replacement is lost as well, and the next one too", async () => {
    const swarm = await start(2);
    const order = [swarm.route[1]?.peer, asPeerId("spare-0-of-3-5")];
    const gone = new Set<PeerId>();
    const answer = await run(generate(requester(swarm, gone), PROMPT, OPTIONS, signal), (event, tokens) => {
      const peer = event.kind === "token" && tokens > 3 && tokens % 6 === 0 ? order.shift() : undefined;
      if (peer === undefined) return;
      gone.add(peer);
      swarm.network.cut(peer);
    });
    expect(answer.text).toBe(text);
    expect(order).toEqual([]);
    await swarm.stop();
  });

  it("waits if nobody can fill the gap, says so, and goes on when somebody joins", async () => {
    const swarm = await start(0);
    const middle = swarm.route[1]?.peer ?? asPeerId("");
    let joined: Promise<unknown> | undefined;
    const answer = await run(generate(requester(swarm, new Set([middle])), PROMPT, OPTIONS, signal), (event, tokens) => {
      if (event.kind === "token" && tokens === 5) swarm.network.cut(middle);
      if (event.kind === "waiting") joined ??= swarm.add("a late volunteer", 3, 5);
    });
    await joined;
    expect(answer.text).toBe(text);
    expect(answer.events.filter((event) => event.kind === "waiting").length).toBeGreaterThan(0);
    await swarm.stop();
  });

  it("is handed over by a peer that leaves gracefully", async () => {
    const swarm = await start(1);
    const leaver = swarm.peers[1];
    let left: Promise<void> | undefined;
    const answer = await run(generate(requester(swarm), PROMPT, OPTIONS, signal), (event, tokens) => {
      if (event.kind === "token" && tokens === 5) left = leaver?.service.leave(signal);
    });
    await left; // its last session has ended
    expect(answer.text).toBe(text);
    expect(answer.events.findLast((event) => event.kind === "rerouted")?.hops.map(({ peer }) => peer)).toContain("spare-0-of-3-5");
    await swarm.stop();
  });

  it("leaves out a spare that computes something else", async () => {
    const swarm = await startMemorySwarm([3, 5]);
    const liar = await swarm.add("a known liar", 3, 5);
    await swarm.add("an honest one", 3, 5);
    liar.tamper = (hidden) => hidden.map((byte, index) => (index === 2 ? byte ^ 1 : byte));
    const middle = swarm.route[1]?.peer ?? asPeerId("");
    const answer = await run(generate(requester(swarm, new Set([middle])), PROMPT, OPTIONS, signal), (event, tokens) => {
      if (event.kind === "token" && tokens === 5) swarm.network.cut(middle);
    });
    expect(answer.text).toBe(text);
    expect(swarm.peers[2]?.refused).toContainEqual({ peer: "a known liar", code: "REPLAY_MISMATCH" });
    await swarm.stop();
  });

  it("stops at once while it waits for a peer, and frees the survivors", async () => {
    const swarm = await start(0);
    const middle = swarm.route[1]?.peer ?? asPeerId("");
    const stop = new AbortController();
    const answer = run(generate(requester(swarm, new Set([middle])), PROMPT, OPTIONS, stop.signal), (event, tokens) => {
      if (event.kind === "token" && tokens === 5) swarm.network.cut(middle);
      if (event.kind === "waiting") stop.abort(new ManyhandsError("TIMEOUT", "enough"));
    });
    await expect(answer).rejects.toThrow("enough");
    await allIdle({ ...swarm, peers: swarm.peers.filter(({ hop }) => hop.peer !== middle) });
    await swarm.stop();
  });
});
