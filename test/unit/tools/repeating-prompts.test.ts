// The public prompts for measuring drafts: there are enough, no two are alike, and the repeating ones do repeat
// themselves.
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { DraftLookup } from "../../../src/inference/draft/draft-lookup.ts";

interface Prompts {
  readonly repeating: readonly { readonly kind: string; readonly prompt: string }[];
  readonly other: readonly string[];
}
const file = path.resolve(import.meta.dirname, "../../../tools/bench/parts/repeating-prompts.json");
const { repeating, other } = JSON.parse(readFileSync(file, "utf8")) as Prompts; // a file of our own

test("there are at least 20 that repeat themselves, of three kinds, and 10 that do not", () => {
  expect(repeating.length).toBeGreaterThanOrEqual(20);
  expect(other.length).toBeGreaterThanOrEqual(10);
  expect(new Set(repeating.map(({ kind }) => kind))).toEqual(new Set(["code edit", "summary", "table"]));
  expect(new Set([...repeating.map(({ prompt }) => prompt), ...other]).size).toBe(repeating.length + other.length);
});

test.for(repeating)("a lookup guesses most of the text when it comes for the second time: $kind", ({ prompt }) => {
  const text = Array.from(prompt, (letter) => letter.codePointAt(0) ?? 0);
  const lookup = new DraftLookup();
  lookup.push(...text);
  let right = 0;
  for (const letter of text) {
    if (lookup.propose(1).tokens[0] === letter) right++;
    lookup.push(letter);
  }
  expect(right / text.length).toBeGreaterThan(0.75);
});
