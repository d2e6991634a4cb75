// Input from outside: storage, the relay's JSON, typed numbers, messages of frames, the browser itself.
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/shared/clock.ts";
import { findCapability, type BrowserFeatures } from "../../../src/ui/capability.ts";
import { readFrameMessage } from "../../../src/ui/widget/frame-messages.ts";
import { LocalStore, type TextStore } from "../../../src/ui/local-store.ts";
import { type Overview } from "../../../src/ui/overview.ts";
import { OverviewPoll } from "../../../src/ui/overview-poll.ts";
import { overviewOf } from "../../../src/ui/read-overview.ts";
import { finishedSentences } from "../../../src/ui/ask/sentences.ts";
import {
  FIELDS,
  FIELD_NAMES,
  PRESETS,
  Settings,
  generateOptions,
  presetOf,
  withField,
  withSeed,
} from "../../../src/ui/ask/sampling-settings.ts";

function storeOf(entries: Record<string, string>): TextStore {
  const map = new Map(Object.entries(entries));
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, text) => void map.set(key, text),
    removeItem: (key) => void map.delete(key),
  };
}

describe("LocalStore", () => {
  it("reads a value that fits the schema, and else returns the default", () => {
    const localStore = new LocalStore(() => storeOf({ "manyhands.share": "0.4", "manyhands.odd": "{", "manyhands.wrong": '"x"' }));
    expect(localStore.read("share", v.number(), 1)).toBe(0.4);
    expect(localStore.read("odd", v.number(), 1)).toBe(1);
    expect(localStore.read("wrong", v.number(), 1)).toBe(1);
    expect(localStore.read("absent", v.number(), 1)).toBe(1);
  });
  it("remembers values until the page closes if storage is blocked", () => {
    const localStore = new LocalStore(() => {
      throw new DOMException("Access is denied", "SecurityError");
    });
    localStore.write("consent", true);
    expect(localStore.read("consent", v.boolean(), false)).toBe(true);
    localStore.remove("consent");
    expect(localStore.read("consent", v.boolean(), false)).toBe(false);
  });
});

describe("settings", () => {
  it("clamps typed numbers, and always fits the schema", () => {
    fc.assert(
      fc.property(fc.constantFrom(...FIELD_NAMES), fc.oneof(fc.string(), fc.double().map(String)), (name, typed) => {
        expect(v.is(Settings, withField(PRESETS.story, name, typed))).toBe(true);
        expect(v.is(Settings, withSeed(PRESETS.story, typed))).toBe(true);
      }),
    );
    expect(withField(PRESETS.story, "maxTokens", "99999").maxTokens).toBe(FIELDS.maxTokens.max);
    expect(withField(PRESETS.story, "temperature", "")).toBe(PRESETS.story);
    expect(withSeed(PRESETS.story, " ").seed).toBeNull();
    expect(withSeed(PRESETS.story, "42").seed).toBe(42);
  });
  it("recognises its presets, whatever the length and the seed", () => {
    expect(presetOf({ ...PRESETS.greedy, maxTokens: 7, seed: 3 })).toBe("greedy");
    expect(presetOf({ ...PRESETS.story, topK: 41 })).toBeUndefined();
    expect(generateOptions(PRESETS.greedy)).toMatchObject({ temperature: 0, seed: undefined, stop: [], overflow: "drop-oldest" });
    expect(generateOptions({ ...PRESETS.greedy, stop: "User:\n\n\\n\\n" }).stop).toEqual(["User:", "\n\n"]);
  });
});

const model = {
  id: "bafyreitales",
  name: "Tales",
  layerCount: 8,
  contextLength: 512,
  sizeBytes: 7_900_000,
  licence: "MIT",
  dtype: "fp32",
  chat: false,
  layerBytes: 1,
  edgeBytes: 1,
  cacheBytes: 1,
};
const remotePeer = {
  model: model.id,
  peer: "12D3KooWabc",
  isSelf: false,
  host: "page",
  backend: "wasm",
  span: { start: 0, end: 8 },
  serving: true,
  sessions: 0,
  tokensServed: 3,
};

describe("overview", () => {
  it("reads a relay's reply, and restores the fields that JSON leaves out", () => {
    const overview = overviewOf({
      name: "Lighthouse",
      revision: 1,
      models: [model],
      peers: [remotePeer, { ...remotePeer, span: null, serving: false, layerMs: 1.5 }],
    });
    expect(overview.relay).toMatchObject({ kind: "connected", name: "Lighthouse" });
    expect(overview.peers?.map((peer) => [peer.span, peer.layerMs, peer.isSelf])).toEqual([
      [{ start: 0, end: 8 }, undefined, false],
      [undefined, 1.5, false],
    ]);
  });
  it.each([
    [undefined],
    [{}],
    [{ name: "x", revision: 1, models: [{ ...model, layerCount: 1e9 }], peers: [] }],
    [{ name: "x", revision: 1, models: [model], peers: [{ ...remotePeer, span: { start: 3, end: 3 } }] }],
  ])("refuses %j", (json) => expect(() => overviewOf(json)).toThrow());
  it("shows the relay as lost while it does not reply, keeps what it knew, and finds the relay again", async () => {
    const overviews: Overview[] = [];
    let next = Promise.withResolvers<void>();
    const answers = [
      () => Response.json({ name: "Lighthouse", revision: 1, models: [model], peers: [] }),
      () => new Response("", { status: 503 }),
      () => Response.json({ name: "Lighthouse", revision: 1, models: [model], peers: [remotePeer] }),
    ];
    const poll = new OverviewPoll({
      fetch: async () => answers.shift()?.() ?? Response.error(),
      url: "http://relay.example/api/swarm",
      isVisible: () => true,
      clock: systemClock,
      random: () => 0.5,
      onChange: (overview) => {
        overviews.push(overview);
        next.resolve();
        next = Promise.withResolvers();
      },
    });
    let change = next.promise;
    poll.start();
    for (let i = 0; i < 2; i++) {
      await change;
      change = next.promise;
      poll.hurry();
    }
    await change;
    poll.stop();
    expect(overviews.map((overview) => overview.relay.kind)).toEqual(["connected", "lost", "connected"]);
    expect(overviews[1]).toMatchObject({ models: [{ name: "Tales" }], peers: [], relay: { name: "Lighthouse", retryInMs: 3000 } });
    expect(overviews[2]?.peers).toHaveLength(1);
  });
});

describe("readFrameMessage", () => {
  it("reads a height and a no, and refuses anything else", () => {
    expect(readFrameMessage({ manyhands: "height", height: 120.4 })).toEqual({ manyhands: "height", height: 121 });
    expect(readFrameMessage({ manyhands: "declined", declined: true })).toEqual({ manyhands: "declined", declined: true });
    for (const odd of [
      { manyhands: "height", height: 1e6 },
      { manyhands: "height", height: "9" },
      { manyhands: "height", height: Number.NaN },
      { manyhands: "declined" },
      "height",
      null,
    ]) {
      expect(readFrameMessage(odd)).toBeUndefined();
    }
    fc.assert(fc.property(fc.anything(), (data) => void readFrameMessage(data)));
  });
});

describe("finishedSentences", () => {
  it.each([
    ["Once upon", 0, ""],
    ["It was so. And", 0, "It was so."],
    ['She said, "Yes." Then', 0, 'She said, "Yes."'],
    ["It cost 3.5", 0, ""],
    ["One. Two. Thr", 4, " Two."],
    ["A line\nand", 0, "A line\n"],
  ])("%j from %d: %j", (text, from, sentence) => expect(finishedSentences(text, from)).toBe(sentence));
  it("returns every character once and in order", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", " ", ".", "!", "\n", '"', "…")), (characters) => {
        let said = "";
        for (let length = 0; length <= characters.length; length++)
          said += finishedSentences(characters.slice(0, length).join(""), said.length);
        expect(characters.join("").startsWith(said)).toBe(true);
      }),
    );
  });
});

describe("findCapability", () => {
  const whole: BrowserFeatures = {
    RTCPeerConnection: { prototype: { createDataChannel() {} } },
    RTCDataChannel: Object,
    WebAssembly,
    Worker: Object,
    crypto: { subtle: {} },
    openDatabase: async () => {},
  };
  it("finds nothing missing in a whole browser; the vector module is valid", async () =>
    expect(await findCapability(whole)).toEqual({ missing: [] }));
  it.each<[string, Partial<BrowserFeatures>, string]>([
    ["WebRTC", { RTCPeerConnection: undefined }, "everything"],
    ["WebAssembly", { WebAssembly: undefined }, "everything"],
    ["WebAssembly", { WebAssembly: { validate: () => false } }, "everything"],
    ["workers", { Worker: undefined }, "everything"],
    ["secure", { crypto: {} }, "everything"],
    ["IndexedDB", { openDatabase: async () => Promise.reject(new Error("no")) }, "nothing"],
  ])("says that %s is missing", async (word, lack, blocks) => {
    const { missing } = await findCapability({ ...whole, ...lack });
    expect(missing).toHaveLength(1);
    expect(missing[0]).toMatchObject({ blocks, name: expect.stringContaining(word) as string });
  });
});
