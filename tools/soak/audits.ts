// Audits in virtual time: honest swarms raise no alarm while peers are killed, and the first audit catches a cheat.
// Arguments: --sessions 1000 (how many are audited) --seed 1.
import { parseArgs } from "node:util";
import { type AuditRunResult, CHEATS, runAudits } from "../sim/audit-run.ts";

/** Answers in one swarm: newcomers are always audited, and later less and less. */
const ANSWERS = 50;
const SWARMS_OF_CHEATS = 25;
/** Answers in one swarm whose peers all stay, to see what audits cost once every peer is known. */
const STEADY_ANSWERS = 400;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { sessions: { type: "string", default: "1000" }, seed: { type: "string", default: "1" } },
  });
  const seed = Number(values.seed);
  const wanted = Number(values.sessions);
  const started = performance.now();
  const honest: AuditRunResult[] = [];
  for (let audited = 0; audited < wanted;) {
    const one = await runAudits(seed + honest.length, { answers: ANSWERS, killed: 0.1 });
    honest.push(one);
    audited += one.audited;
  }
  const sum = (of: (each: AuditRunResult) => number): number => honest.reduce((total, each) => total + of(each), 0);
  const alarms = honest.flatMap((each) => each.alarms);
  console.log(
    JSON.stringify({
      soak: "audits",
      case: "honest",
      seed,
      sessions: sum(({ answers }) => answers),
      audited: sum(({ audited }) => audited),
      audits: sum(({ audits }) => audits),
      alarms: alarms.length,
      shareOfWork: Number((sum(({ auditWork }) => auditWork) / sum(({ answerWork }) => answerWork)).toFixed(4)),
      seconds: Math.round((performance.now() - started) / 1000),
    }),
  );
  for (const alarm of alarms.slice(0, 10)) console.log(alarm);
  const steady = await runAudits(seed + 5_000, { answers: STEADY_ANSWERS, steadyAfter: STEADY_ANSWERS / 2 });
  const share = Number((steady.auditWork / steady.answerWork).toFixed(4));
  console.log(
    JSON.stringify({
      soak: "audits",
      case: "steady",
      seed,
      sessions: steady.answers,
      alarms: steady.alarms.length,
      shareOfWork: share,
      goal: 0.1,
    }),
  );
  if (steady.alarms.length > 0) process.exitCode = 1;
  for (const [name, cheat] of Object.entries(CHEATS)) {
    const runs: AuditRunResult[] = [];
    for (let n = 0; n < SWARMS_OF_CHEATS; n++) runs.push(await runAudits(seed + 10_000 + n, { answers: 5, ...cheat }));
    const audited = runs.filter(({ verdict }) => verdict !== undefined);
    const caught = runs.filter(({ verdict }) => verdict === "wrong").length;
    const falselyAccused = runs.flatMap((each) => each.alarms).length;
    console.log(
      JSON.stringify({
        soak: "audits",
        case: name,
        seed,
        cheats: runs.length,
        audited: audited.length,
        caughtInFirstAudit: caught,
        falselyAccused,
      }),
    );
    if (caught === 0 || caught < audited.length || falselyAccused > 0) process.exitCode = 1;
  }
  if (alarms.length > 0) process.exitCode = 1;
}
