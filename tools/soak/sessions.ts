// Answers in virtual time with losses, silence, delays and liars: the text must be that of an undisturbed swarm.
// Arguments: --runs 1000 --seed 1. To repeat the run of a seed S that failed: --runs 1 --seed S.
import { parseArgs } from "node:util";
import { type RunResult, runSession } from "../sim/session-run.ts";

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { runs: { type: "string", default: "1000" }, seed: { type: "string", default: "1" } },
  });
  const runs = Number(values.runs);
  const first = Number(values.seed);
  const counts = { same: 0, stopped: 0, wrong: 0, hung: 0, failed: 0 };
  const kinds: Record<string, number> = {};
  const bad: RunResult[] = [];
  let leaked = 0;
  let reroutes = 0;
  const resumeMs: number[] = [];
  const detectMs: number[] = [];
  const started = performance.now();
  for (let seed = first; seed < first + runs; seed++) {
    const result = await runSession(seed);
    counts[result.outcome]++;
    for (const kind of result.kinds) kinds[kind] = (kinds[kind] ?? 0) + 1;
    reroutes += result.reroutes;
    resumeMs.push(...result.resumeMs);
    detectMs.push(...result.detectMs);
    if (result.leaks.length > 0) leaked++;
    if (result.leaks.length > 0 || (result.outcome !== "same" && result.outcome !== "stopped")) bad.push(result);
  }
  const spread = (all: readonly number[]): { readonly p50: number; readonly p95: number } => {
    const sorted = all.toSorted((a, b) => a - b);
    const at = (q: number): number => Math.round(sorted[Math.floor(q * (sorted.length - 1))] ?? 0);
    return { p50: at(0.5), p95: at(0.95) };
  };
  for (const result of bad.slice(0, 20)) console.log(JSON.stringify(result));
  console.log(
    JSON.stringify({
      soak: "sessions",
      runs,
      seed: first,
      ...counts,
      leaked,
      reroutes,
      detectMs: spread(detectMs),
      resumeMs: spread(resumeMs),
      kinds,
      seconds: Math.round((performance.now() - started) / 1000),
    }),
  );
  if (bad.length > 0) process.exitCode = 1;
}
