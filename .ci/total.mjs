// Adds up the reports named as arguments into one line. A report that is missing counts as one failure.
import fs from "node:fs";

let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  try {
    const report = JSON.parse(fs.readFileSync(file, "utf8"));
    passed += report.passed;
    failed += report.failed;
  } catch (error) {
    console.log(`no report ${file}: ${error instanceof Error ? error.message : String(error)}`);
    failed += 1;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
