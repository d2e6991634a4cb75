// Reads the report that a run of checks or tests leaves behind, and adds reports up. A run without a report is a
// failure. Plain JavaScript, because `npm run verify` counts even if nothing could be installed.
import fs from "node:fs";

/**
 * What came of a run.
 * @typedef {object} Count
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {number} inBrowser How many tests ran inside a browser, Playwright's and Vitest's together.
 * @property {readonly string[]} problems One line for each failure that is not a test: a file that did not load, a run
 * that crashed.
 * @property {readonly string[]} skips Title and reason of each skipped test.
 */

/** @type {Count} */
export const NOTHING = Object.freeze({ passed: 0, failed: 0, skipped: 0, inBrowser: 0, problems: [], skips: [] });

/** @param {readonly Count[]} counts @returns {Count} */
export function sum(counts) {
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

/**
 * Reads the report of one run. A report that is missing or unreadable counts as one failure, and so does a run that
 * ended with an error although its report has no failure.
 * @param {string} name the run's, for a line about it
 * @param {string} file
 * @param {number} exitCode
 * @param {(report: any) => Count} count reads the report, whose shape the run's own program documents; throws for
 * another shape
 * @returns {Count}
 */
export function readReport(name, file, exitCode, count) {
  /** @type {Count} */
  let counted;
  try {
    counted = count(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...NOTHING, failed: 1, problems: [`${name} left no report (exit code ${exitCode}): ${why}`] };
  }
  if (exitCode === 0 || counted.failed > 0) return counted;
  const problem = `${name} ended with exit code ${exitCode} although its report has no failure`;
  return { ...counted, failed: 1, problems: [...counted.problems, problem] };
}

/** Reads a report that `npm run check` or `npm test` wrote. @param {any} report @returns {Count} */
export function countOwn({ passed, failed }) {
  if (!Number.isInteger(passed) || !Number.isInteger(failed)) throw new Error("it has no counts");
  return { ...NOTHING, passed, failed };
}
