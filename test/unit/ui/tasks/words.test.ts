// Jobs and their results in words: every state, and every kind of value.
import { describe, expect, it } from "vitest";
import type { JobView } from "../../../../src/node/face.ts";
import { asJobId } from "../../../../src/shared/ids.ts";
import { valueText } from "../../../../src/ui/tasks/value-text.ts";
import { progressWords, stateWords, wrongWords } from "../../../../src/ui/tasks/job-words.ts";

const job = (more: Partial<JobView> = {}): JobView => ({
  id: asJobId("00"),
  kind: "sum",
  label: "Sum of 3 numbers",
  startedMs: 1000,
  endedMs: undefined,
  parts: 60,
  done: 12,
  cached: 0,
  checked: 0,
  computing: 0,
  peers: 0,
  state: "running",
  problem: undefined,
  wrong: 0,
  ...more,
});

describe("a job", () => {
  it.each([
    [job({ state: "waiting" }), /^Waiting/],
    [job(), /^Under way/],
    [job({ state: "done", endedMs: 4250 }), /^Done in 3\.\d s\.$/],
    [job({ state: "stopped", done: 1 }), /1 part was done, and is kept/],
    [job({ state: "failed", problem: { code: "TASK_FAILED", message: "It threw." } }), /^It threw\.$/],
  ])("%# is described by its state", (view, words) => {
    expect(stateWords(view)).toMatch(words);
  });

  it("is described by its parts, tabs and checks", () => {
    expect(progressWords(job())).toBe("12 of 60 parts done.");
    expect(progressWords(job({ peers: 1, computing: 3, checked: 8, cached: 2 }))).toBe(
      "12 of 60 parts done by 1 tab, 3 computing; 8 checked (two or more tabs gave the same result) and 2 known from before.",
    );
    expect(progressWords(job({ parts: 1, done: 1 }))).toBe("1 of 1 part done.");
  });

  it("says how many wrong results were caught, and says nothing if none was", () => {
    expect(wrongWords(job())).toBe("");
    expect(wrongWords(job({ wrong: 1 }))).toMatch(/^1 wrong result was caught/);
    expect(wrongWords(job({ wrong: 2 }))).toMatch(/^2 wrong results were caught/);
  });
});

describe("a value as text", () => {
  it.each([
    ["sum", 10n ** 30n, `1${"0".repeat(30)}`],
    ["sum", -0.5, "-0.5"],
    ["sort", Float64Array.of(-0, 0, 1), "-0\n0\n1"],
    ["sort", ["a", "b"], "a\nb"],
    ["multiply", { rows: 2, columns: 2, elements: [1n, 2n, 3n, 4n] }, "1 2\n3 4"],
    ["hash", [Uint8Array.of(0, 255)], "00ff"],
    ["map", [1, null, "x"], '[\n  1,\n  null,\n  "x"\n]'],
    ["map", [new TextEncoder().encode("hä"), Uint8Array.of(255)], '[\n  "hä",\n  "ff"\n]'],
  ] as const)("of %s", (kind, value, text) => {
    expect(valueText(kind, value)?.text).toBe(text);
  });

  it("is undefined for a picture", () => {
    expect(valueText("render", { width: 1, height: 1, rgba: new Uint8ClampedArray(4) })).toBeUndefined();
  });
});
