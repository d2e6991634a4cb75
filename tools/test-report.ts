// Counts what test runners did from the JSON reports that they write themselves; a runner without a report counts as a failure.
import fs from "node:fs";

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** How many tests ran inside a browser, Playwright's and Vitest's together. */
  readonly inBrowser: number;
  /** One line for each failure that is not a test: a file that did not load, a runner that crashed. */
  readonly problems: readonly string[];
  /** Title and reason of what was skipped. */
  readonly skips: readonly string[];
}

export const NOTHING: Count = Object.freeze({ passed: 0, failed: 0, skipped: 0, inBrowser: 0, problems: [], skips: [] });

export function sum(counts: readonly Count[]): Count {
  return counts.reduce(
    (total, count) => ({
      passed: total.passed + count.passed,
      failed: total.failed + count.failed,
      skipped: total.skipped + count.skipped,
      inBrowser: total.inBrowser + count.inBrowser,
      problems: [...total.problems, ...count.problems],
      skips: [...total.skips, ...count.skips],
    }),
    NOTHING,
  );
}

/** The line that ends a test run. */
export const summaryLine = (count: Count): string => `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`;

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
  // `pending` is a test that was waiting or running when its runner died: nobody asked to skip it.
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

/**
 * Reads one runner's report. A missing or unreadable one is one failure, and so is a runner that says it failed
 * (`exitCode`) while every test in its report passed.
 */
export function readReport(runner: string, file: string, exitCode: number, count: (report: never) => Count): Count {
  let counted: Count;
  try {
    // The runner is one of our own dependencies at a fixed version: its report has the shape that it documents.
    counted = count(JSON.parse(fs.readFileSync(file, "utf8")) as never);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...NOTHING, failed: 1, problems: [`${runner} left no report (exit code ${exitCode}): ${why}`] };
  }
  if (exitCode === 0 || counted.failed > 0) return counted;
  return { ...counted, failed: 1, problems: [...counted.problems, `${runner} ended with exit code ${exitCode} though no test failed`] };
}
