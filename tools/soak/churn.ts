// Tasks in virtual time while volunteers come and go: none is lost, paid twice or out of order; how long does it take?
import { parseArgs } from "node:util";
import { toHex } from "../../src/shared/bytes.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import { type Compute, mapStream } from "../../src/tasks/jobs/map-stream.ts";
import type { TaskKindName } from "../../src/tasks/kinds/kind-list.ts";
import { jobsOver } from "../sim/compute-job.ts";
import { numbered, rightOutput, TaskSwarm, TIMED } from "../sim/task-swarm.ts";

const DEFAULTS = Object.freeze({
  tasks: 10_000,
  /** Part of the volunteers that are killed while the tasks run. */
  kill: 0.3,
  seed: 1,
  seeds: 1,
  volunteers: 30,
  /** Virtual milliseconds of one task, at least and at most. */
  minMs: 50,
  maxMs: 150,
  /** Virtual milliseconds until a death is noticed, at most. */
  noticeMs: 3000,
  /** Tasks that are out before their outputs are read. */
  ahead: 1024,
  /** Virtual milliseconds within which all tasks must be done. */
  untilMs: 4 * 3_600_000,
});

export interface ChurnResult {
  readonly soak: "churn";
  readonly seed: number;
  readonly tasks: number;
  readonly killed: number;
  readonly lost: number;
  readonly wrong: number;
  readonly doubleCredited: number;
  readonly outOfOrder: number;
  readonly makespanToIdeal: number;
  readonly computedToNeeded: number;
}

/**
 * Runs `tasks` tasks over a swarm of which the part `kill` dies. The ideal is machines that never pause or fail and
 * that compute each task as often as its votes say.
 */
export async function churn(seed: number, tasks: number, kill: number): Promise<ChurnResult> {
  const swarm = new TaskSwarm(seed);
  const { random, clock } = swarm;
  const msOf = Array.from({ length: tasks }, () => random.whole(DEFAULTS.minMs, DEFAULTS.maxMs));
  const alive = new Map<PeerId, { readonly fromMs: number }>();
  let machineMs = 0;
  let neededMs = 0;
  const join = (): void =>
    void alive.set(swarm.join({ ms: (task) => msOf[(task.params as { number: number }).number] ?? 0 }), { fromMs: clock.now() });
  for (let n = 0; n < DEFAULTS.volunteers; n++) join();
  const totalMs = (tasks * (DEFAULTS.minMs + DEFAULTS.maxMs)) / 2 / DEFAULTS.volunteers;
  const deaths = Math.round(kill * DEFAULTS.volunteers);
  const history: { readonly atMs: number; readonly count: number }[] = [{ atMs: 0, count: alive.size }];
  for (let n = 0; n < deaths; n++) {
    clock.in(totalMs * random.next(), () => {
      const victim = random.pick([...alive.keys()]);
      alive.delete(victim);
      swarm.kill(victim, random.whole(1, DEFAULTS.noticeMs));
      history.push({ atMs: clock.now(), count: alive.size });
    });
  }
  const paid = new Map<string, number>();
  let settledTwice = 0;
  const seen = new Set<string>();
  /** By their output, which no other task has. */
  const numbers = new Map(Array.from({ length: tasks }, (_, number) => [toHex(rightOutput(numbered(number))), number]));
  swarm.dispatcher.on("task:settled", ({ id, agreed, output }) => {
    if (seen.has(id)) settledTwice++;
    seen.add(id);
    neededMs += (msOf[numbers.get(toHex(output)) ?? -1] ?? 0) * agreed.length;
    for (const { peer } of agreed) paid.set(`${id} ${peer}`, (paid.get(`${id} ${peer}`) ?? 0) + 1);
  });
  let done = 0;
  let wrong = 0;
  let outOfOrder = 0;
  let endMs: number | undefined;
  const jobs = jobsOver(swarm.dispatcher, [TIMED], { clock, now: () => clock.now() });
  const compute: Compute = (request, signal) => jobs.compute(request, signal);
  const read = async (): Promise<void> => {
    const inputs = Array.from({ length: tasks }, (_, number) => number);
    const options = { signal: swarm.over.signal, ahead: DEFAULTS.ahead };
    for await (const value of mapStream(compute, TIMED.name as TaskKindName, inputs, options)) {
      const number = numbers.get(toHex(value as Uint8Array));
      if (number === undefined) wrong++;
      else if (number !== done) outOfOrder++;
      done++;
    }
    endMs = clock.now();
  };
  void read();
  await clock.run(() => endMs !== undefined, DEFAULTS.untilMs);
  const end = endMs ?? DEFAULTS.untilMs;
  history.push({ atMs: end, count: 0 });
  // The time at which machines that never wait would have done the necessary work.
  let idealMs = end;
  for (const [at, { atMs, count }] of history.entries()) {
    const untilMs = history[at + 1]?.atMs ?? end;
    if (machineMs + count * (untilMs - atMs) >= neededMs) {
      idealMs = atMs + (neededMs - machineMs) / count;
      break;
    }
    machineMs += count * (untilMs - atMs);
  }
  const computed = [...swarm.computed].reduce((sum, [number, times]) => sum + times * (msOf[number] ?? 0), 0);
  swarm.over.abort();
  return {
    soak: "churn",
    seed,
    tasks,
    killed: deaths,
    lost: tasks - done,
    wrong,
    doubleCredited: settledTwice + [...paid.values()].filter((times) => times > 1).length,
    outOfOrder,
    makespanToIdeal: Number((end / idealMs).toFixed(3)),
    computedToNeeded: Number((computed / neededMs).toFixed(3)),
  };
}

const HELP = `npm run soak -- churn [--tasks ${DEFAULTS.tasks}] [--kill ${DEFAULTS.kill}] [--seed ${DEFAULTS.seed}] [--seeds ${DEFAULTS.seeds}]`;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tasks: { type: "string", default: String(DEFAULTS.tasks) },
      kill: { type: "string", default: String(DEFAULTS.kill) },
      seed: { type: "string", default: String(DEFAULTS.seed) },
      seeds: { type: "string", default: String(DEFAULTS.seeds) },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  for (let n = 0; n < Number(values.seeds); n++) {
    const result = await churn(Number(values.seed) + n, Number(values.tasks), Number(values.kill));
    console.log(JSON.stringify(result));
    if (result.lost + result.wrong + result.doubleCredited + result.outOfOrder > 0 || result.makespanToIdeal > 1.6) process.exitCode = 1;
  }
}
