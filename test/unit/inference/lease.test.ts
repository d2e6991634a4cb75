// When a peer counts as lost: soon if nothing comes from it, never because it is slow; and when a span gives a session
// up.
import { describe, expect, it } from "vitest";
import type { GenerateEvent } from "../../../src/inference/generate-event.ts";
import { SimSwarm } from "../../../tools/sim/sim-swarm.ts";

const ASKED = { prompt: "p".repeat(70), maxTokens: 20, seed: 4 };

async function follow(swarm: SimSwarm, onToken: (tokens: number) => void = () => {}): Promise<readonly GenerateEvent[]> {
  const events: GenerateEvent[] = [];
  let isOver = false;
  void (async () => {
    for await (const event of swarm.ask(ASKED, new AbortController().signal).events) {
      events.push(event);
      if (event.kind === "token") onToken(events.filter(({ kind }) => kind === "token").length);
    }
    isOver = true;
  })();
  expect(await swarm.clock.run(() => isOver, 600_000)).toBe(true);
  return events;
}
const text = (events: readonly GenerateEvent[]): string => events.map((event) => (event.kind === "token" ? event.text : "")).join("");

describe("a peer", () => {
  it("that falls silent is noticed within a second, and replaced", async () => {
    const calm = new SimSwarm(3, 4);
    calm.join({ start: 0, end: 4 });
    const expected = text(await follow(calm));
    for (const lost of [0, 1, 2]) {
      const swarm = new SimSwarm(9, 4);
      const route = [swarm.join({ start: 0, end: 1 }), swarm.join({ start: 1, end: 3 }), swarm.join({ start: 3, end: 4 })];
      const events = await follow(swarm, (tokens) => {
        if (tokens === 8) {
          swarm.join({ start: 0, end: 1 });
          swarm.join({ start: 1, end: 3 });
          swarm.join({ start: 3, end: 4 });
          for (const { peer } of route.slice(lost, lost + 1)) swarm.network.freeze(peer, Infinity);
        }
      });
      expect(text(events)).toBe(expected);
      const rerouted = events.flatMap((event) => (event.kind === "rerouted" ? [event] : []));
      expect(rerouted.map((event) => event.lost)).toEqual([[route[lost]?.peer]]);
      expect(rerouted[0]?.detectMs).toBeLessThan(1_000);
    }
  });

  it("that needs seconds for a chunk is not lost", async () => {
    const swarm = new SimSwarm(5, 4);
    swarm.join({ start: 0, end: 2 }, { stepMs: (count) => 40 + 180 * count });
    swarm.join({ start: 2, end: 4 });
    swarm.join({ start: 0, end: 2 });
    swarm.board.remove([...swarm.peers.keys()][2] ?? ("" as never)); // alive, but not listed when the route is chosen
    const events = await follow(swarm);
    expect(events.some(({ kind }) => kind === "rerouted")).toBe(false);
    expect(events.at(-1)?.kind).toBe("done");
  });

  it("frees a session that nobody steps or probes any more", async () => {
    const swarm = new SimSwarm(6, 4);
    const { service } = swarm.join({ start: 0, end: 4 });
    let first = false;
    const { events } = swarm.ask(ASKED, new AbortController().signal);
    void (async () => {
      while ((await events.next()).value?.kind !== "token");
      first = true; // and nobody reads any further
    })();
    await swarm.clock.run(() => first, 10_000);
    expect(service.openSessions).toBe(1);
    await swarm.clock.run(() => service.openSessions === 0, 400_000);
    expect([service.openSessions, service.loggedBytes]).toEqual([0, 0]);
  });
});
