// The checks of the house: refused phrases, names of files, things that exist once, and the table of rooms.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { secondHomes } from "../../../tools/check/once.ts";
import { faultsOf, readRefused, unknownNouns } from "../../../tools/check/words.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const glossary = fs.readFileSync(path.join(ROOT, "docs/glossary.md"), "utf8");
const refused = readRefused(glossary);

const faults = (text: string, columns?: number): readonly string[] => faultsOf({ file: "a.ts", line: 1, text, columns }, refused);

describe("the words check", () => {
  it.each([
    "It is told of each loss.",
    "Whoever asks is served.",
    "Peers that are gone round.",
    "It waits for a hand of its neighbour.",
    "The desk keeps works.",
  ])("refuses %j", (text) => {
    expect(faults(text)).not.toEqual([]);
  });

  it.each(["It is on hand to hand the frame over.", "The span works.", "The requester says which peer computed what."])(
    "lets %j pass",
    (text) => {
      expect(faults(text)).toEqual([]);
    },
  );

  it("refuses a comment of more than 120 columns, but not a long address", () => {
    expect(faults("x".repeat(130), 130)).toHaveLength(1);
    expect(faults(`https://example.org/${"x".repeat(130)}`, 150)).toEqual([]);
  });

  it("wants the nouns of file names in the glossary", () => {
    expect(unknownNouns(["src/inference/route-session.ts", "relay/ledger/storage-audit.ts"], glossary)).toEqual([]);
    expect(unknownNouns(["src/inference/frobnicator.ts"], glossary)).toHaveLength(1);
  });
});

describe("the check for second homes", () => {
  it.each([
    ["const pauseMs = Math.min(MOST, FIRST * 2 ** failures);", "a backoff"],
    ["retryMs *= 2;", "a backoff"],
    ["export function backoff(tries: number) {}", "a backoff"],
    ['signal.addEventListener("abort", () => reject(signal.reason));', "a wait that an AbortSignal ends"],
    ["this.tokens = Math.min(burst, tokens + refilled);", "a token bucket"],
  ])("finds in %j %s", (text, name) => {
    expect(secondHomes("src/credit/another.ts", text).join()).toContain(name);
  });

  it("lets the homes themselves and other powers of two pass", () => {
    for (const home of ["src/shared/backoff.ts", "src/shared/abort.ts", "relay/rate-limit.ts"])
      expect(
        secondHomes(home, fs.readFileSync(path.join(ROOT, home), "utf8")).filter((line) => !line.includes("looks like a wait")),
      ).toEqual([]);
    expect(secondHomes("src/model/size.ts", "const bytes = 4 * 1024 ** 2; const levels = 2 ** depth;")).toEqual([]);
  });
});
