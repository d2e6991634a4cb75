// The pure parts of the kill soak: a seed repeats its run, victims are distinct, and times come from the page's own
// events.
import fc from "fast-check";
import { expect, test } from "vitest";
import { KILL_WAYS } from "../../../tools/browser/kill-tab.ts";
import { pickVictims, planKill } from "../../../tools/soak/parts/kill-plan.ts";
import { type KillRun, readTimes, reportKills } from "../../../tools/soak/parts/kill-report.ts";

test("a seed and a run always give the same plan, and its blow falls inside the answer", () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(500),
      fc.array(fc.integer({ min: 10, max: 300 }), { minLength: 1, maxLength: 5 }),
      (seed, run, lengths) => {
        const options = { seed, run, ways: KILL_WAYS, spans: 2, lengths };
        const plan = planKill(options);
        expect(planKill(options)).toEqual(plan);
        expect(plan.atToken).toBeGreaterThanOrEqual(1);
        expect(plan.atToken).toBeLessThan(lengths[plan.prompt] ?? 0);
        const victims = pickVictims(["a", "b", "c"], plan).map(({ victim }) => victim);
        expect(new Set(victims).size).toBe(2);
      },
    ),
  );
});

test("over many runs, every way of killing hits every hop", () => {
  const seen = new Set<string>();
  for (let run = 0; run < 300; run++) {
    const plan = planKill({ seed: 1, run, ways: KILL_WAYS, spans: 1, lengths: [120] });
    for (const { victim, way } of pickVictims(["first", "middle", "last"], plan)) seen.add(`${way} ${victim}`);
  }
  expect(seen.size).toBe(4 * 3);
});

test("times come from the node's own event, counted from the blow", () => {
  const token = (atMs: number) => ({ atMs, kind: "token", token: 1 });
  const moments = [
    token(90),
    token(101),
    { atMs: 700, kind: "rerouted", data: { resumeMs: 450, detectMs: 3 } },
    token(701),
    { atMs: 800, kind: "ended" },
  ];
  expect(readTimes(moments, 100)).toEqual({ detectMs: 150, resumeMs: 450 });
});

test("without that event the longest wait between tokens counts, and only if the answer came to its end", () => {
  const moments = [90, 104, 110, 410, 420].map((atMs) => ({ atMs, kind: "token", token: 1 }));
  expect(readTimes([...moments, { atMs: 421, kind: "ended" }], 100)).toEqual({ detectMs: undefined, resumeMs: 300 });
  expect(readTimes([...moments, { atMs: 500, kind: "failed" }], 100)).toEqual({ detectMs: 400, resumeMs: undefined });
});

test("a report lists misses with their reasons, and separates losses that pagehide announced", () => {
  const run = (index: number, ways: KillRun["ways"], detectMs: number, why?: string): KillRun => ({
    run: index,
    ways,
    why,
    detectMs,
    resumeMs: 200,
  });
  const report = reportKills("one tab", 7, [run(0, ["close"], 20), run(1, ["navigate"], 40), run(2, ["sigkill"], 900, "another text")]);
  expect(report).toMatchObject({
    runs: 3,
    same: 2,
    detectMs: { pagehide: { median: 20, p95: 40 }, other: { median: 900, p95: 900 } },
    misses: [{ seed: 7, run: 2, why: "another text" }],
  });
});
