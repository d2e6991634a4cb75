// Five answers during which tabs are killed, in all four ways: each text is that of the undisturbed run.
import { KILL_WAYS } from "../../tools/browser/kill-tab.ts";
import { type KillRun, reportKills } from "../../tools/soak/parts/kill-report.ts";
import { KillSoak } from "../../tools/soak/parts/kill-soak.ts";
import { expect, test } from "../support/relay-fixture.ts";

/** A seed whose first five runs draw every way at least once. */
const SEED = 4;
const RUNS = 5;

test("tabs killed in the middle of answers change no text", async ({ browser, folder }) => {
  test.setTimeout(300_000);
  const soak = await KillSoak.open({
    browser,
    data: folder,
    model: undefined,
    tabs: 4,
    seed: SEED,
    ways: KILL_WAYS,
    harm: "tabs",
    spans: 1,
  });
  const runs: KillRun[] = [];
  for (let run = 0; run < RUNS; run++) runs.push(await test.step(`run ${run}`, () => soak.run(run)));
  await soak.close();
  expect(new Set(runs.flatMap(({ ways }) => ways)).size).toBe(KILL_WAYS.length);
  const report = reportKills("one tab", SEED, runs);
  expect(report.misses).toEqual([]);
  expect(runs.map(({ resumeMs }) => resumeMs)).not.toContain(undefined);
});
