// The main job over an in-memory swarm: the text of one machine in every split, each way to end, and each way to fail.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../../src/engine/contract.ts";
import { generate, type Requester } from "../../../src/inference/generate.ts";
import { chunks } from "../../../src/inference/read-prompt.ts";
import type { GenerateEvent, GenerateOptions } from "../../../src/inference/generate-event.ts";
import type { ChatMessage } from "../../../src/model/text/chat-message.ts";
import type { Route } from "../../../src/route/plan-route.ts";
import { asPeerId, type PeerId } from "../../../src/shared/ids.ts";
import { askingFor, bundledPromptModel } from "../../support/asking.ts";
import { bundledEngine } from "../../support/bundled-model.ts";
import { greedyAlone } from "../../support/greedy.ts";
import { allIdle, type MemorySwarm, startMemorySwarm } from "../../support/memory-swarm.ts";

const signal = new AbortController().signal;
const GREEDY = { temperature: 0, repetitionPenalty: 1 };
const PROMPTS = [
  "Once upon a time",
  "A small robot named Pip lived in a lighthouse.",
  "Tim and his dog went to the \u{1F3D6}️ beach with naïve friends",
  "The",
];

describe("generate", () => {
  const model = bundledPromptModel();
  const { tokenizer } = model;
  let swarm: MemorySwarm;
  let whole: Engine;
  beforeAll(async () => {
    swarm = await startMemorySwarm([1, 3, 6]);
    whole = await bundledEngine(0, 8);
  });
  afterAll(async () => {
    await swarm.stop();
    await whole.dispose();
  });

  const requester = (from: MemorySwarm, name: string, route: (exclude: ReadonlySet<PeerId>) => Route): Requester =>
    askingFor(from.guest(name), model, route);
  const collect = async (answer: AsyncIterable<GenerateEvent>): Promise<GenerateEvent[]> => {
    const events: GenerateEvent[] = [];
    for await (const event of answer) events.push(event);
    return events;
  };
  const ids = (events: readonly GenerateEvent[]): number[] => events.flatMap((event) => (event.kind === "token" ? [event.token] : []));
  const text = (events: readonly GenerateEvent[]): string => events.map((event) => (event.kind === "token" ? event.text : "")).join("");

  const alone = (prompt: string, count: number): Promise<number[]> =>
    greedyAlone(whole, tokenizer.encode(prompt), { count, stops: [0], maxPositions: 512 });

  it("ends at a stop string that spreads over tokens, shows nothing of it, and says why", async () => {
    const [, second] = PROMPTS;
    const prompt = second ?? "";
    const route = (): Route => swarm.route;
    const free = text(await collect(generate(requester(swarm, "guest-stop-1", route), prompt, { ...GREEDY, maxTokens: 24 }, signal)));
    const stop = free.slice(20, 32);
    const events = await collect(
      generate(requester(swarm, "guest-stop-2", route), prompt, { ...GREEDY, maxTokens: 24, stop: [stop] }, signal),
    );
    expect(text(events)).toBe(free.slice(0, free.indexOf(stop)));
    expect(events.at(-1)).toMatchObject({ kind: "done", reason: "stop-string", text: "" });
  });

  it("shows at the end the text that it held back for a stop string that did not come", async () => {
    const route = (): Route => swarm.route;
    const free = text(await collect(generate(requester(swarm, "guest-stop-3", route), "The moon", { ...GREEDY, maxTokens: 8 }, signal)));
    const events = await collect(
      generate(requester(swarm, "guest-stop-4", route), "The moon", { ...GREEDY, maxTokens: 8, stop: [`${free.slice(-6)}?!`] }, signal),
    );
    const last = events.at(-1);
    expect(text(events) + (last?.kind === "done" ? last.text : "")).toBe(free);
    expect(last).toMatchObject({ kind: "done", reason: "max-tokens", text: free.slice(-6) });
  });

  it("answers a conversation through the model's template, and leaves out the oldest turns if they do not fit", async () => {
    const chat = { render: (messages: readonly ChatMessage[]) => `<|endoftext|>${messages.map((message) => message.content).join(" ")}` };
    const before = requester(swarm, "guest-chat", () => swarm.route);
    const long = "Once upon a time there was a dog. ".repeat(80);
    const messages: ChatMessage[] = [
      { role: "system", content: "Short." },
      { role: "user", content: long },
      { role: "assistant", content: "Yes." },
      { role: "user", content: long.slice(0, 300) },
    ];
    const events = await collect(generate({ ...before, model: { ...before.model, chat } }, messages, { ...GREEDY, maxTokens: 4 }, signal));
    expect(events[0]).toEqual({ kind: "trimmed", droppedMessages: 2 });
    expect(ids(events)).toEqual(await alone(`Short. ${long.slice(0, 300)}`, 4));
    const refused = collect(
      generate({ ...before, model: { ...before.model, chat } }, messages, { maxTokens: 4, overflow: "refuse" }, signal),
    );
    await expect(refused).rejects.toMatchObject({ code: "PROMPT_TOO_LONG" });
  });

  it.each(PROMPTS)("gives the text of one machine: %s", async (prompt) => {
    const events = await collect(
      generate(
        requester(swarm, `asks ${prompt}`, () => swarm.route),
        prompt,
        { ...GREEDY, maxTokens: 40 },
        signal,
      ),
    );
    expect(ids(events)).toEqual(await alone(prompt, 40));
    expect(tokenizer.decode(ids(events)).startsWith(text(events))).toBe(true);
    const routed = events.find((event) => event.kind === "routed");
    expect(routed?.hops.map(({ span }) => [span.start, span.end])).toEqual([
      [0, 1],
      [1, 3],
      [3, 6],
      [6, 8],
    ]);
    const last = events.at(-1);
    expect(last?.kind).toBe("done");
    if (last?.kind === "done") expect(last.stats.newTokens).toBe(ids(events).length);
  });

  it("gives the text of one machine for a prompt that it reads in chunks", async () => {
    const prompt = "The cat sat on the mat. ".repeat(40);
    const length = tokenizer.encode(prompt).length;
    expect(length).toBeGreaterThan(128);
    const events = await collect(
      generate(
        requester(swarm, "asks at length", () => swarm.route),
        prompt,
        { ...GREEDY, maxTokens: 8 },
        signal,
      ),
    );
    expect(ids(events)).toEqual(await alone(prompt, 8));
  });

  it("gives the same text for the same seed, and another text for another seed", async () => {
    const options: Partial<GenerateOptions> = { temperature: 1, topK: 0, topP: 1, maxTokens: 24 };
    const ask = async (name: string, seed: number): Promise<string> =>
      ids(
        await collect(
          generate(
            requester(swarm, name, () => swarm.route),
            "Once",
            { ...options, seed },
            signal,
          ),
        ),
      ).join();
    const first = await ask("draws once", 7);
    expect(await ask("draws twice", 7)).toBe(first);
    expect(await ask("draws otherwise", 8)).not.toBe(first);
  });

  it("ends when the model's context is full, and says why", async () => {
    const prompt = "a b c d e f g h ".repeat(58);
    const { length } = tokenizer.encode(prompt);
    expect(length).toBeGreaterThan(400);
    expect(length).toBeLessThan(512);
    const asking = requester(swarm, "fills the context", () => swarm.route);
    const endless = { ...asking, model: { ...asking.model, stopTokens: new Set<number>() } };
    const events = await collect(generate(endless, prompt, { temperature: 0, maxTokens: 500 }, signal));
    expect(events.at(-1)).toMatchObject({ kind: "done", reason: "context-full", stats: { newTokens: 512 - length } });
    expect(ids(events)).toHaveLength(512 - length);
  });

  it.each([
    ["an empty prompt", "", {}, "BAD_INPUT"],
    ["a prompt of blanks", " \n\t ", {}, "BAD_INPUT"],
    ["a prompt over the context", "word ".repeat(800), {}, "PROMPT_TOO_LONG"],
    ["no tokens asked for", "Once", { maxTokens: 0 }, "BAD_INPUT"],
    ["a temperature that is no number", "Once", { temperature: Number.NaN }, "BAD_INPUT"],
    ["a broken seed", "Once", { seed: 1.5 }, "BAD_INPUT"],
  ])("refuses %s", async (name, prompt, options, code) => {
    await expect(
      collect(
        generate(
          requester(swarm, `refused: ${name}`, () => swarm.route),
          prompt,
          options,
          signal,
        ),
      ),
    ).rejects.toMatchObject({ code });
  });

  it("leaves out a peer that cannot be reached", async () => {
    const dead = asPeerId("a-peer-that-is-not-there");
    const [first, ...rest] = swarm.route;
    if (!first) throw new Error("four hops");
    const events = await collect(
      generate(
        requester(swarm, "leaves a peer out", (exclude) => (exclude.has(dead) ? swarm.route : [{ ...first, peer: dead }, ...rest])),
        "Once",
        { ...GREEDY, maxTokens: 3 },
        signal,
      ),
    );
    expect(events.some((event) => event.kind === "waiting")).toBe(true);
    expect(ids(events)).toEqual(await alone("Once", 3));
  });

  it("keeps what it has shown when a peer is lost in the middle", async () => {
    const mortal = await startMemorySwarm([4]);
    const answer = generate(
      requester(mortal, "sees a peer die", () => mortal.route),
      "Once upon a time",
      { ...GREEDY, maxTokens: 50 },
      signal,
    );
    const seen: number[] = [];
    const run = async (): Promise<void> => {
      for await (const event of answer) {
        if (event.kind === "token") seen.push(event.token);
        if (seen.length === 5) mortal.network.cut(asPeerId("peer-of-layers-4-8"));
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "PEER_LOST" });
    expect(seen).toEqual((await alone("Once upon a time", 50)).slice(0, seen.length));
    await mortal.stop();
  });

  it("stops at the signal, and frees the spans", async () => {
    const stop = new AbortController();
    const run = async (): Promise<void> => {
      for await (const event of generate(
        requester(swarm, "is stopped", () => swarm.route),
        "Once upon a time",
        { maxTokens: 200 },
        stop.signal,
      ))
        if (event.kind === "token") stop.abort(new Error("enough"));
    };
    await expect(run()).rejects.toThrow("enough");
    await allIdle(swarm);
  });
});

describe("chunks", () => {
  it("are few, of nearly equal length, and never a lone position after others", () => {
    for (let length = 1; length < 600; length++) {
      const parts = chunks(
        Array.from({ length }, (_, i) => i),
        128,
      );
      expect(parts.flat()).toHaveLength(length);
      expect(parts).toHaveLength(Math.ceil(length / 128));
      if (length > 1) expect(Math.min(...parts.map((part) => part.length))).toBeGreaterThan(1);
      expect(Math.max(...parts.map((part) => part.length)) - Math.min(...parts.map((part) => part.length))).toBeLessThanOrEqual(1);
    }
  });
});
