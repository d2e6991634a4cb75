// docs/threats.md: every threat has a row, and every test that a row names exists with that title.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const rows = fs
  .readFileSync(path.join(ROOT, "docs/threats.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| threat "))
  .map((line) => line.split(" | ").map((cell) => cell.replaceAll(/^\| | \|$/g, "")));

interface Named {
  readonly file: string;
  readonly title: string;
}

/** Reads the tests of a cell: `file` "title", "title"; `file` "title" */
function testsOf(cell: string): readonly Named[] {
  return cell.split(/; (?=`)/).flatMap((part) => {
    const file = /`(test\/[^`]+)`/.exec(part)?.[1];
    return file === undefined ? [] : [...part.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => ({ file, title }));
  });
}

/** The threats that the document must name. */
const THREATS = [
  /wrong activations/i,
  /lazy replay/i,
  /copying the neighbour/i,
  /warming up honestly/i,
  /colluding pair in one chain/i,
  /altered weights/i,
  /cold-cache/i,
  /frames in another order/i,
  /oversize frames/i,
  /zip bombs/i,
  /webassembly memory bombs/i,
  /never end/i,
  /widget/i,
  /fingerprints/i,
  /spending twice/i,
  /crashes in the middle/i,
  /prompts guessed/i,
  /addresses seen/i,
];

describe("the page of threats", () => {
  it.each(THREATS)("names %s", (threat) => {
    expect(rows.filter(([name = ""]) => threat.test(name)).length).toBe(1);
  });

  it.each(rows.map(([name = "", against = "", tests = ""]) => [name, against, tests] as const))(
    "%s has a test, or the row says that there is no protection",
    (_name, against, tests) => {
      expect(against).not.toBe("");
      if (tests === "none") expect(against).toContain("**Not protected");
      else expect(testsOf(tests).length).toBeGreaterThan(0);
    },
  );

  it.each(rows.flatMap(([, , tests = ""]) => testsOf(tests)))('finds "$title" in $file', ({ file, title }) => {
    // The title of a table test is made from its rows, so the file has only the words of the row.
    expect(fs.readFileSync(path.join(ROOT, file), "utf8")).toContain(title);
  });
});
