// The counts that end `npm test` and `npm run verify`: a run that crashed must not look like a good one.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { countOwn, readReport, sum } from "../../../tools/report.mjs";
import { countPlaywright, countVitest } from "../../../tools/runner-reports.ts";

const test = (status: string, fullName = "a test") => ({ fullName, status });
const file = (status: string, ...assertionResults: readonly { fullName: string; status: string }[]) => ({
  name: "a.test.ts",
  status,
  message: "SyntaxError: no\n  at x",
  assertionResults,
});

describe("countVitest", () => {
  it("counts passed, failed and skipped tests", () => {
    const report = { testResults: [file("failed", test("passed"), test("failed"), test("skipped", "later"), test("todo"))] };
    expect(countVitest(report)).toMatchObject({ passed: 1, failed: 1, skipped: 2, problems: [], skips: ["later", "a test"] });
  });

  it("counts a file that did not load, and a test that never ended, as failures", () => {
    const report = { testResults: [file("failed"), file("passed", test("pending"))] };
    expect(countVitest(report)).toMatchObject({ passed: 0, failed: 2, skipped: 0 });
    expect(countVitest(report).problems).toHaveLength(2);
  });
});

describe("countPlaywright", () => {
  const stats = { expected: 3, unexpected: 1, flaky: 1, skipped: 1 };

  it("uses the runner's own numbers, and counts an error outside any test as one more failure", () => {
    expect(countPlaywright({ stats, errors: [{ message: "no browser" }], suites: [] })).toMatchObject({ passed: 4, failed: 2, skipped: 1 });
  });

  it("gives the reason for a skipped test, however deeply its suite is nested", () => {
    const spec = { title: "webgpu", tests: [{ status: "skipped", annotations: [{ type: "skip", description: "no adapter" }] }] };
    expect(countPlaywright({ stats, errors: [], suites: [{ suites: [{ specs: [spec] }] }] }).skips).toEqual(["webgpu: no adapter"]);
  });
});

describe("readReport", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "manyhands-report-"));
  afterAll(() => fs.rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): string => {
    fs.writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const good = JSON.stringify({ testResults: [file("passed", test("passed"))] });

  it.each([
    ["a missing report", path.join(folder, "none.json"), 0],
    ["a report cut short", write("short.json", good.slice(0, -5)), 0],
    ["a report of another shape", write("other.json", "{}"), 0],
    ["a runner that failed after its tests", write("good.json", good), 1],
  ])("counts %s as one failure", (_, report, exitCode) => {
    const count = readReport("vitest", report, exitCode, countVitest);
    expect(count.failed).toBe(1);
    expect(count.problems).toHaveLength(1);
  });

  it("reads the reports of checks and of tests, and adds them up", () => {
    const checks = readReport("npm run check", write("check.json", '{"passed":6,"failed":1,"results":[]}'), 1, countOwn);
    const tests = readReport("npm test", write("test.json", '{"passed":40,"failed":0,"skipped":3}'), 0, countOwn);
    expect(sum([checks, tests])).toMatchObject({ passed: 46, failed: 1, problems: [] });
  });

  it("counts a run that found nothing to do, and said so by its exit code, as one failure", () => {
    const count = readReport("npm test", write("nothing.json", '{"passed":0,"failed":0}'), 1, countOwn);
    expect(count).toMatchObject({ passed: 0, failed: 1 });
  });

  it("counts a report without counts as one failure", () => {
    expect(readReport("npm test", write("uncounted.json", '{"passed":3}'), 0, countOwn)).toMatchObject({ passed: 0, failed: 1 });
  });
});
