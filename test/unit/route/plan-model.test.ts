// Choosing a model: a wish wins, then models that the swarm serves; lenders complete models that others have begun.
import { describe, expect, test } from "vitest";
import { type ModelChoice, type ModelPeer, pickForPrompt, pickToLend, standingOf } from "../../../src/route/plan-model.ts";
import { asModelId } from "../../../src/shared/ids.ts";

const model = (id: string, sizeBytes = 10): ModelChoice => ({ id: asModelId(id), layerCount: 4, sizeBytes });
const peer = (id: string, start: number, end: number, more: Partial<ModelPeer> = {}): ModelPeer => ({
  model: asModelId(id),
  serving: [{ start, end }],
  target: { start, end },
  sessions: 0,
  ...more,
});
const models = [model("large", 1000), model("mid", 500), model("small", 10)];

describe("for a prompt", () => {
  test.each([
    ["a wish, whatever the swarm serves", [peer("mid", 0, 4)], "large", { model: "large", reason: "wished" }],
    ["no model that the relay does not offer, even if it is wished for", [peer("mid", 0, 4)], "gone", { model: "mid", reason: "served" }],
    [
      "a model that several peers together serve whole",
      [peer("small", 0, 4), peer("mid", 0, 2), peer("mid", 2, 4)],
      undefined,
      { model: "mid", reason: "served" },
    ],
    ["no model that lacks a layer", [peer("large", 0, 3), peer("small", 0, 4)], undefined, { model: "small", reason: "served" }],
    ["a model that this tab can run alone", [peer("large", 0, 3)], undefined, { model: "small", reason: "alone" }],
  ])("%s", (_what, peers, wish, expected) => {
    expect(pickForPrompt(models, peers, wish === undefined ? undefined : asModelId(wish), 100)).toEqual(expected);
  });
  test("the only model needs no choice, whether it is served or not", () => {
    for (const peers of [[], [peer("small", 0, 4)]])
      expect(pickForPrompt([model("small")], peers, undefined, 100)).toEqual({ model: "small", reason: "only" });
  });
  test("the operator's first if nothing else decides, and none of an empty list", () => {
    expect(pickForPrompt(models, [], undefined, 0)).toEqual({ model: "large", reason: "first" });
    expect(pickForPrompt([], [], undefined, 100)).toBeUndefined();
  });
});

describe("to lend", () => {
  test.each([
    ["the wish", [peer("mid", 0, 2)], "small", "small"],
    ["a model that others have begun, the one that lacks fewest layers first", [peer("large", 0, 1), peer("mid", 0, 3)], undefined, "mid"],
    [
      "no model that another tab is already completing",
      [peer("mid", 0, 2), peer("mid", 0, 2, { target: { start: 2, end: 4 } })],
      undefined,
      "large",
    ],
    [
      "the model whose peers have the most sessions each",
      [peer("large", 0, 4, { sessions: 1 }), peer("small", 0, 4, { sessions: 3 })],
      undefined,
      "small",
    ],
    ["the operator's first", [], undefined, "large"],
  ])("%s", (_what, peers, wish, expected) => {
    expect(pickToLend(models, peers, wish === undefined ? undefined : asModelId(wish))?.model).toBe(expected);
  });
});

test("the standing of a model counts its own peers and layers", () => {
  expect(standingOf(model("mid"), [peer("mid", 1, 3), peer("large", 0, 4)])).toEqual({
    model: "mid",
    peers: 1,
    isServed: false,
    missingLayers: 2,
  });
});
