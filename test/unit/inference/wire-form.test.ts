// Hidden states as half floats: half the bytes, and the text that rounding by hand gives, also when peers are lost.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate, type Requester } from "../../../src/inference/generate.ts";
import type { GenerateOptions } from "../../../src/inference/generate-event.ts";
import { SpanService } from "../../../src/inference/server/span-service.ts";
import { SessionShelf } from "../../../src/inference/requester/session-shelf.ts";
import { wireClass, wireForm } from "../../../src/inference/log/wire-form.ts";
import type { Link } from "../../../src/mesh/ports/link.ts";
import { decodeFrame } from "../../../src/protocol/frame.ts";
import type { BoundaryTensor } from "../../../src/protocol/span-plan.ts";
import { sessionProtocol } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { packHalves, unpackHalves } from "../../../src/shared/half-floats.ts";
import type { PeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { askingFor, askingWithSpares, bundledPromptModel } from "../../support/asking.ts";
import { bundledEngine } from "../../support/bundled-model.ts";
import { allIdle, type MemorySwarm, startMemorySwarm } from "../../support/memory-swarm.ts";

const { signal } = new AbortController();
const PROMPT = "Once upon a time there was a small robot named Pip. ".repeat(4);
const HALVES = { temperature: 0.8, seed: 11, maxTokens: 24, wire: "float16" } as const;
const model = bundledPromptModel();

const floats = (...values: readonly number[]): Uint8Array<ArrayBuffer> => new Uint8Array(Float32Array.from(values).buffer);
/** Returns a property of a link; methods are bound to it. */
function bound(link: Link, name: string | symbol): unknown {
  const value: unknown = Reflect.get(link, name, link);
  return typeof value === "function" ? value.bind(link) : value;
}
const rounded = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => unpackHalves(packHalves(bytes) ?? new Uint8Array(0));

describe("the form of a boundary", () => {
  const [wide, narrow]: readonly BoundaryTensor[] = [
    { name: "wide", type: "float32", width: 2 },
    { name: "narrow", type: "float16", width: 1 },
  ];
  const both = [wide as BoundaryTensor, narrow as BoundaryTensor];

  it("is the graph's own if nothing else is asked for", () => {
    const form = wireForm({}, { boundaryIn: both, boundaryOut: both });
    const bytes = floats(1, 2);
    expect(form.encode(bytes, 1)).toBe(bytes);
    expect(form.decode(bytes, 1)).toBe(bytes);
    expect(form.boundaryIn).toBe(both);
  });

  it("has every tensor as halves, each in its place", () => {
    const form = wireForm({ wire: "float16" }, { boundaryIn: both, boundaryOut: both });
    expect(form.boundaryOut.map(({ type }) => type)).toEqual(["float16", "float16"]);
    const halves = new Uint8Array([7, 8, 9, 10]); // of two positions of the second tensor
    const hidden = new Uint8Array([...floats(0.1, -2, 65504, 3), ...halves]);
    const crossed = form.encode(hidden, 2);
    expect(crossed.byteLength).toBe(2 * (2 * 2 + 2));
    expect(form.decode(crossed, 2)).toEqual(new Uint8Array([...rounded(floats(0.1, -2, 65504, 3)), ...halves]));
  });

  it("refuses numbers that halves cannot hold, and says what to do", () => {
    const form = wireForm({ wire: "float16" }, { boundaryIn: [], boundaryOut: [wide as BoundaryTensor] });
    expect(() => form.encode(floats(1, 70_000), 1)).toThrow("ask with exact numbers between tabs");
  });

  it("is part of the determinism class", () => {
    expect(wireClass({}, "a/1")).toBe("a/1");
    expect(wireClass({ wire: "float16" }, "a/1")).not.toBe("a/1");
  });
});

describe("an answer whose hidden states cross as half floats", () => {
  let guests = 0;
  let swarm: MemorySwarm;
  let expected = "";

  const requester = (of: MemorySwarm, gone?: ReadonlySet<PeerId>): Requester => askingWithSpares(of.guest(`a-guest-${++guests}`), of, gone);
  const answer = async (
    asked: Requester,
    options: Partial<GenerateOptions>,
    onToken: (count: number) => void = () => {},
  ): Promise<string> => {
    let text = "";
    let tokens = 0;
    for await (const event of generate(asked, PROMPT, options, signal)) {
      if (event.kind === "token") onToken(++tokens);
      if (event.kind === "token" || event.kind === "done") text += event.text;
    }
    return text;
  };

  beforeAll(async () => {
    swarm = await startMemorySwarm([3, 5]);
    // The same by hand: exact on the wire, but every span rounds what it computed.
    for (const peer of swarm.peers) peer.tamper = rounded;
    expected = await answer(requester(swarm), { ...HALVES, wire: "float32" });
    for (const peer of swarm.peers) peer.tamper = undefined;
    expect(expected.length).toBeGreaterThan(20);
  });
  afterAll(() => swarm.stop());

  it("is the text that rounding at each boundary gives, with drafts and without", async () => {
    expect(await answer(requester(swarm), HALVES)).toBe(expected);
    expect(await answer(requester(swarm), { ...HALVES, drafts: false })).toBe(expected);
  });

  it("carries half the bytes from span to span", async () => {
    const [first, , last] = swarm.route;
    const engine = await bundledEngine(3, 5);
    const mesh = swarm.guest("a-peer-that-weighs");
    const service = new SpanService({ engine, mesh, clock: systemClock, log: silentLog });
    let weighed = 0;
    mesh.handle(sessionProtocol(model.id, { start: 3, end: 5 }), (link) => {
      const frames = async function* (): AsyncGenerator<Uint8Array, void> {
        for await (const frame of link.frames) {
          if (link.remote === first?.peer) weighed += decodeFrame(frame).payload.byteLength;
          yield frame;
        }
      };
      service.accept(new Proxy(link, { get: (of, name) => (name === "frames" ? frames() : bound(of, name)) }));
    });
    const route = [first, { peer: mesh.self, span: { start: 3, end: 5 } }, last].filter((hop) => hop !== undefined);
    const asked = askingFor(swarm.guest(`a-guest-${++guests}`), model, () => route);
    const bytes: number[] = [];
    for (const wire of ["float32", "float16"] as const) {
      weighed = 0;
      await answer(asked, { ...HALVES, drafts: false, wire, maxTokens: 4 });
      bytes.push(weighed);
    }
    expect(bytes[0]).toBe(2 * (bytes[1] ?? 0));
    expect(bytes[1]).toBeGreaterThan(0);
    await service.stop();
  });

  it("is the same when a span in the middle leaves", async () => {
    const spared = await startMemorySwarm([3, 5]);
    await spared.add("a-spare-of-3-5", 3, 5);
    const lost = spared.peers[1];
    const text = await answer(requester(spared, new Set([lost?.hop.peer as PeerId])), HALVES, (tokens) => {
      if (tokens === 8 && lost) spared.network.cut(lost.hop.peer);
    });
    expect(text).toBe(expected);
    await allIdle({ ...spared, peers: spared.peers.filter((peer) => peer !== lost) });
    await spared.stop();
  });

  it("does not go on with a session of another form", async () => {
    const shelf = new SessionShelf(systemClock);
    await answer({ ...requester(swarm), shelf }, { ...HALVES, wire: "float32" });
    expect(await answer({ ...requester(swarm), shelf }, HALVES)).toBe(expected);
    await shelf.stop();
  });

  it("is refused for an unknown form", async () => {
    await expect(answer(requester(swarm), { wire: "int8" as never })).rejects.toMatchObject({ code: "BAD_INPUT" });
  });
});
