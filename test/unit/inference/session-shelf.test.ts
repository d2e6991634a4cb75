// Prompts that begin like an answer that is over are read only from where they part, and get the text of a fresh route.
import { describe, expect, it } from "vitest";
import { SessionShelf } from "../../../src/inference/requester/session-shelf.ts";
import { type AskedFor, type SimRequester, SimSwarm } from "../../../tools/sim/sim-swarm.ts";

const CUTS = [
  { start: 0, end: 2 },
  { start: 2, end: 5 },
];
const PROMPT = "the quick brown fox jumps over the lazy dog, and then over the fence";

interface World {
  readonly swarm: SimSwarm;
  readonly asking: SimRequester;
  /** Positions that the first span computed. */
  computed: number;
}

function world(rowInvariant: boolean, withShelf = true): World {
  const swarm = new SimSwarm(7, 5, rowInvariant);
  const made: World = { swarm, asking: swarm.requester(withShelf ? new SessionShelf(swarm.clock) : undefined), computed: 0 };
  for (const span of [...CUTS, ...CUTS]) {
    const { service } = swarm.join(span);
    if (span.start === 0) service.on("span:served", ({ positions }) => (made.computed += positions));
  }
  return made;
}

async function answer({ swarm, asking }: World, asked: AskedFor): Promise<readonly number[]> {
  const tokens: number[] = [];
  let isOver = false;
  const read = async (): Promise<void> => {
    for await (const event of swarm.ask(asked, new AbortController().signal, asking).events)
      if (event.kind === "token") tokens.push(event.token);
    isOver = true;
  };
  const reading = read();
  await swarm.clock.run(() => isOver, swarm.clock.now() + 100_000);
  await reading;
  return tokens;
}

const ask = (prompt: string): AskedFor => ({ prompt, maxTokens: 20, seed: 3 });

/** Returns how many positions one answer costs the first span. */
async function cost(made: World, asked: AskedFor): Promise<number> {
  const before = made.computed;
  await answer(made, asked);
  return made.computed - before;
}

describe("a session that is kept", () => {
  it("answers the same prompt again without reading it again, with the same text", async () => {
    const made = world(true);
    const first = await answer(made, ask(PROMPT));
    const before = made.computed;
    expect(await answer(made, ask(PROMPT))).toEqual(first);
    expect(made.computed - before).toBeLessThan(PROMPT.length / 2 + 20);
  });

  it("gives the text of a fresh route to a prompt that goes on, and to one that parts in the middle", async () => {
    const made = world(true);
    await answer(made, ask(PROMPT));
    for (const prompt of [`${PROMPT} and back`, `${PROMPT.slice(0, 40)}another way`, PROMPT.slice(0, 30)]) {
      const fresh = await answer(world(true, false), ask(prompt));
      expect(await answer(made, ask(prompt))).toEqual(fresh);
    }
  });

  it("is not kept if a position depends on its step", async () => {
    const made = world(false);
    const whole = await cost(made, ask(PROMPT));
    expect(await cost(made, ask(PROMPT))).toBe(whole);
  });

  it("is given up when a peer of its route leaves, and a fresh route answers", async () => {
    const made = world(true);
    const first = await answer(made, ask(PROMPT));
    for (const peer of [...made.swarm.peers.values()].slice(0, 2)) made.swarm.kill(peer.peer, () => 5, 10);
    for (const span of CUTS) made.swarm.join(span);
    expect(await answer(made, ask(PROMPT))).toEqual(first);
  });

  it("is freed after a while, and when the shelf stops", async () => {
    const made = world(true);
    await answer(made, ask(PROMPT));
    const open = (): number => [...made.swarm.peers.values()].reduce((sum, { service }) => sum + service.openSessions, 0);
    expect(open()).toBe(2);
    await made.swarm.clock.run(() => open() === 0, made.swarm.clock.now() + 61_000);
    expect(open()).toBe(0);
    await answer(made, ask(PROMPT));
    void made.asking.shelf?.stop();
    await made.swarm.clock.run(() => open() === 0, made.swarm.clock.now() + 1_000);
    expect(open()).toBe(0);
  });
});
