// Why an answer waits, in words: each reason has its sentence, and layers are named as people count them.
import { describe, expect, it } from "vitest";
import type { WaitReason } from "../../../src/node/face.ts";
import { waitingWords } from "../../../src/ui/ask/waiting-words.ts";

const gaps = (isMidway: boolean, ...spans: readonly (readonly [number, number])[]): WaitReason => ({
  kind: "gaps",
  gaps: spans.map(([start, end]) => ({ start, end })),
  isMidway,
});

describe("waitingWords", () => {
  it.each<readonly [string, WaitReason]>([
    ["Joining the swarm.", { kind: "joining" }],
    ["Looking for a route.", { kind: "looking" }],
    ["Asking the relay who is there.", { kind: "listing" }],
    ["A peer left before it could answer. Looking for another route.", { kind: "retrying" }],
    ["Nobody serves layer 3 and layers 5 to 7 yet; waiting for a tab to take them.", gaps(false, [3, 4], [5, 8])],
    ["The peers are changing places; waiting for them.", gaps(false)],
    ["Nobody holds layers 4 to 7 now; the answer goes on when somebody joins.", gaps(true, [4, 8])],
    ["A tab left; the others are changing places.", gaps(true)],
    ["Nobody lends right now, so this tab loads the model and answers by itself.", { kind: "loading", because: "nobody-lends" }],
    ["The swarm cannot answer now, so this tab loads the model and answers by itself.", { kind: "loading", because: "no-route" }],
    [
      "A tab left and nobody holds its layers, so this tab loads the model and goes on by itself.",
      { kind: "loading", because: "peer-lost" },
    ],
  ])("%s", (sentence, reason) => {
    expect(waitingWords(reason)).toBe(sentence);
  });
});
