// Volunteers that lie, in virtual time: false accusations, how soon one is caught, what passes, the price of checks.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { encodeTask, taskId } from "../../src/protocol/task-frames.ts";
import { toHex } from "../../src/shared/bytes.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import { numbered, numberOf, rightOutput, TaskSwarm } from "../sim/task-swarm.ts";
import { type ColluderPoint, colluderPicture } from "./parts/colluder-picture.ts";

const DEFAULTS = Object.freeze({
  seed: 1,
  honestTasks: 100_000,
  /** Tasks and volunteers of a swarm with liars, and the part of the tasks on which a liar lies. */
  tasks: 20_000,
  volunteers: 20,
  cheats: 0.2,
  newcomers: 200,
  /** Parts of the volunteers that collude: they all give the same wrong results. */
  colluders: [0, 0.1, 0.2, 0.3, 0.4, 0.5],
  colluderTasks: 4000,
  /** Tasks that are assigned at once, and the virtual milliseconds of one. */
  ahead: 400,
  taskMs: 10,
});

interface Outcome {
  readonly swarm: TaskSwarm;
  readonly accused: ReadonlySet<PeerId>;
  /** Tasks whose final result was wrong, and tasks that failed. */
  readonly wrong: number;
  readonly failed: number;
  /** Computations per task in the second half: what checking costs once trust is earned. */
  readonly laterCost: number;
}

/** Runs `tasks` tasks over a swarm, `ahead` at once. */
async function settleMany(swarm: TaskSwarm, tasks: number): Promise<Outcome> {
  const accused = new Set<PeerId>();
  swarm.dispatcher.on("peer:wrong", ({ peer }) => accused.add(peer));
  const outputs = new Map<string, string>();
  swarm.dispatcher.on("task:corrected", ({ id, output }) => outputs.set(id, toHex(output)));
  const ids: string[] = [];
  let failed = 0;
  let next = 0;
  let done = 0;
  let halfway = 0;
  const computed = (): number => [...swarm.computed.values()].reduce((sum, times) => sum + times, 0);
  const lane = async (): Promise<void> => {
    while (next < tasks) {
      const number = next++;
      try {
        const { id, output } = await swarm.submit(numbered(number));
        ids[number] = id;
        outputs.set(id, toHex(output));
      } catch {
        failed++;
      }
      if (++done === Math.floor(tasks / 2)) halfway = computed();
    }
  };
  for (let n = 0; n < DEFAULTS.ahead; n++) void lane();
  if (!(await swarm.clock.run(() => done === tasks, 1e12))) throw new Error(`only ${done} of ${tasks} tasks ended`);
  const later = computed() - halfway;
  await swarm.clock.run(() => swarm.dispatcher.open === 0, swarm.clock.now() + 600_000); // until tasks that were opened again are settled
  let wrong = 0;
  for (let number = 0; number < tasks; number++) {
    const id = ids[number];
    if (id !== undefined && outputs.get(id) !== toHex(rightOutput(numbered(number)))) wrong++;
  }
  swarm.over.abort();
  return { swarm, accused, wrong, failed, laterCost: later / (tasks - Math.floor(tasks / 2)) };
}

async function honest(seed: number, tasks: number): Promise<object> {
  const swarm = new TaskSwarm(seed);
  for (let n = 0; n < DEFAULTS.volunteers; n++) swarm.join({ ms: () => DEFAULTS.taskMs });
  const { accused, wrong, failed, laterCost } = await settleMany(swarm, tasks);
  return {
    soak: "liars",
    case: "honest",
    seed,
    tasks,
    falselyAccused: accused.size,
    wrong,
    failed,
    checkingOverhead: round(laterCost - 1),
    goal: 0.1,
  };
}

/** Liars that do not know each other: every wrong result is different. */
async function liars(seed: number, tasks: number): Promise<object> {
  const swarm = new TaskSwarm(seed);
  const dishonest = new Set<PeerId>();
  for (let n = 0; n < DEFAULTS.volunteers; n++) {
    if (n >= DEFAULTS.volunteers / 10) swarm.join({ ms: () => DEFAULTS.taskMs });
    else {
      const twist = (_task: unknown, right: Uint8Array<ArrayBuffer>) =>
        swarm.random.chance(DEFAULTS.cheats) ? swarm.random.bytes(new Uint8Array(32)) : right;
      dishonest.add(swarm.join({ ms: () => DEFAULTS.taskMs, twist }));
    }
  }
  const { accused, wrong, failed } = await settleMany(swarm, tasks);
  const falselyAccused = [...accused].filter((peer) => !dishonest.has(peer)).length;
  return {
    soak: "liars",
    case: "a tenth lie alone",
    seed,
    tasks,
    caught: accused.size - falselyAccused,
    falselyAccused,
    failed,
    settledWrong: wrong / tasks,
    goal: 0.001,
  };
}

/** How many tasks a newcomer that cheats on a fifth of them computes before it is caught. */
async function newcomers(seed: number, count: number): Promise<object> {
  const caughtAfter: number[] = [];
  for (let n = 0; n < count; n++) {
    const swarm = new TaskSwarm(seed + n);
    let computed = 0;
    let caughtAt: number | undefined;
    for (let peer = 0; peer < 3; peer++) swarm.join({ ms: () => DEFAULTS.taskMs });
    /** How many tasks the liar had computed at each lie, by the id of the task. */
    const lies = new Map<string, number>();
    const liar = swarm.join({
      ms: () => DEFAULTS.taskMs,
      twist: (task, right) => {
        computed++;
        if (!swarm.random.chance(DEFAULTS.cheats)) return right;
        lies.set(taskId(encodeTask(task)), computed);
        return swarm.random.bytes(new Uint8Array(32));
      },
    });
    // The count at the lie that was caught: what the liar computed later, during the comparison, was checked too.
    swarm.dispatcher.on("peer:wrong", ({ peer, task }) => {
      if (peer === liar) caughtAt ??= lies.get(task);
    });
    let next = 0;
    const lane = async (): Promise<void> => {
      while (!swarm.over.signal.aborted && next < 2000) await swarm.submit(numbered(next++));
    };
    for (let each = 0; each < 16; each++) lane().catch(() => {}); // the swarm ends in the middle of its tasks
    await swarm.clock.run(() => caughtAt !== undefined, 10_000_000);
    swarm.over.abort();
    caughtAfter.push(caughtAt ?? Infinity);
  }
  caughtAfter.sort((a, b) => a - b);
  return {
    soak: "liars",
    case: "newcomer",
    seed,
    newcomers: count,
    p50: caughtAfter[count >> 1],
    p95: caughtAfter[Math.floor(0.95 * count)],
    goal: 15,
  };
}

/** Colluders give the same wrong result for a task, so two of them are a quorum. */
async function colluders(seed: number, part: number, tasks: number): Promise<ColluderPoint> {
  const swarm = new TaskSwarm(seed);
  const count = Math.round(part * DEFAULTS.volunteers);
  for (let n = 0; n < DEFAULTS.volunteers; n++) {
    const lies = (number: number): boolean => (Math.imul(number + 1, 2654435761) >>> 0) / 2 ** 32 < DEFAULTS.cheats;
    if (n >= count) swarm.join({ ms: () => DEFAULTS.taskMs });
    else swarm.join({ ms: () => DEFAULTS.taskMs, twist: (task, right) => (lies(numberOf(task)) ? Uint8Array.of(13) : right) });
  }
  const { wrong, failed } = await settleMany(swarm, tasks);
  const settledWrong = wrong / tasks;
  console.log(JSON.stringify({ soak: "liars", case: "colluders", seed, part, tasks, settledWrong, failed }));
  return { part, settledWrong };
}

const round = (number: number): number => Number(number.toFixed(4));

const HELP = `npm run soak -- liars [--seed ${DEFAULTS.seed}] [--scale 1] [--only colluders] [--picture FILE.svg]
  --scale 0.1                           a tenth of the tasks
  --picture docs/images/colluders.svg   draw the curve for colluders, as in the documentation`;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string", default: String(DEFAULTS.seed) },
      scale: { type: "string", default: "1" },
      only: { type: "string" },
      picture: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const seed = Number(values.seed);
  const scaled = (count: number): number => Math.max(20, Math.round(count * Number(values.scale)));
  if (values.only !== "colluders") {
    console.log(JSON.stringify(await honest(seed, scaled(DEFAULTS.honestTasks))));
    console.log(JSON.stringify(await liars(seed, scaled(DEFAULTS.tasks))));
    console.log(JSON.stringify(await newcomers(seed, scaled(DEFAULTS.newcomers))));
  }
  const points: ColluderPoint[] = [];
  const tasks = scaled(DEFAULTS.colluderTasks);
  for (const part of DEFAULTS.colluders) points.push(await colluders(seed, part, tasks));
  if (values.picture === undefined) return;
  const about = `${DEFAULTS.volunteers} volunteers; liars on ${100 * DEFAULTS.cheats} % of their tasks, all with the same result; ${tasks} tasks, seed ${seed}`;
  await writeFile(values.picture, colluderPicture(points, DEFAULTS.cheats, about));
}
