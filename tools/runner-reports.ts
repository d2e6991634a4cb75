// Counts tests from the JSON reports of Vitest and Playwright.
import type { Count } from "./report.mjs";

/** What Vitest's JSON reporter writes, as far as it is read here. */
interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly meta?: { readonly skipReason?: string };
    }[];
  }[];
}

export function countVitest(report: VitestReport): Count {
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  // A `pending` test was waiting or running when its runner died. Nobody asked to skip it, so it counts as a failure.
  const unfinished = tests.filter((test) => test.status === "pending");
  const skipped = tests.filter((test) => ["skipped", "todo", "disabled"].includes(test.status));
  return {
    passed: tests.filter((test) => test.status === "passed").length,
    failed: tests.filter((test) => test.status === "failed").length + unfinished.length + broken.length,
    skipped: skipped.length,
    inBrowser: ran(report.testResults.filter((file) => file.name.endsWith(".browser.test.ts"))),
    problems: [
      ...broken.map((file) => `${file.name} did not run: ${file.message.split("\n")[0] ?? ""}`),
      ...unfinished.map((test) => `${test.fullName.trim()} did not finish`),
    ],
    skips: skipped.map((test) => withReason(test.fullName.trim(), test.meta?.skipReason)),
  };
}

const ran = (files: VitestReport["testResults"]): number =>
  files.flatMap((file) => file.assertionResults).filter((test) => test.status === "passed" || test.status === "failed").length;

/** What Playwright's JSON reporter writes, as far as it is read here. */
interface PlaywrightReport {
  readonly stats: { readonly expected: number; readonly unexpected: number; readonly flaky: number; readonly skipped: number };
  readonly errors: readonly { readonly message?: string }[];
  readonly suites: readonly PlaywrightSuite[];
}
interface PlaywrightSuite {
  readonly specs?: readonly {
    readonly title: string;
    readonly tests: readonly {
      readonly status: string;
      readonly annotations: readonly { readonly type: string; readonly description?: string }[];
    }[];
  }[];
  readonly suites?: readonly PlaywrightSuite[];
}

export function countPlaywright(report: PlaywrightReport): Count {
  const { expected, unexpected, flaky, skipped } = report.stats;
  return {
    passed: expected + flaky,
    failed: unexpected + report.errors.length,
    skipped,
    inBrowser: expected + flaky + unexpected,
    problems: report.errors.map((error) => `outside any test: ${(error.message ?? "unknown error").split("\n")[0] ?? ""}`),
    skips: report.suites.flatMap(skipsOf),
  };
}

function skipsOf(suite: PlaywrightSuite): string[] {
  const own = (suite.specs ?? []).flatMap((spec) =>
    spec.tests
      .filter((test) => test.status === "skipped")
      .map((test) => withReason(spec.title, test.annotations.find((note) => note.type === "skip" || note.type === "fixme")?.description)),
  );
  return [...own, ...(suite.suites ?? []).flatMap(skipsOf)];
}

const withReason = (title: string, reason: string | undefined): string => (reason === undefined ? title : `${title}: ${reason}`);
