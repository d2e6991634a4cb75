// Tasks a second that a dispatcher assigns, checks and settles, and how long one takes: in one process and over tabs.
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MemoryNetwork } from "../../src/mesh/memory/memory-mesh.ts";
import { PROTOCOLS } from "../../src/protocol/version.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Dispatcher } from "../../src/tasks/dispatch/dispatcher.ts";
import { linkVolunteer } from "../../src/tasks/dispatch/volunteer-link.ts";
import { Standings } from "../../src/tasks/dispatch/standings.ts";
import { afterAgreed, STRANGER } from "../../src/shared/reputation.ts";
import { Volunteer } from "../../src/tasks/volunteer/volunteer.ts";
import { type Pace, paceOf } from "./parts/spread.ts";
import { benchRelay } from "./parts/tasks-relay.ts";
import { benchTabs } from "./parts/tasks-tabs.ts";
import { numbered } from "../sim/task-swarm.ts";

const DEFAULTS = Object.freeze({
  tasks: 20_000,
  volunteers: 4,
  /** Tasks assigned at once: enough to fill batches, few enough that none waits long. */
  ahead: 64,
  warmup: 2000,
  /** Checked results in every volunteer's standing: with so many, 3 % of its work is checked. */
  streak: 100,
  oneByOne: 2000,
  /** Tasks a second that are submitted however long they take: a quarter more than the goal. */
  offered: 1250,
});

/**
 * Submits `tasks` tasks at random times, `offered` a second, whether or not the earlier ones are done. The time of each
 * counts from when it was due, so that the measure includes the tasks that wait while the dispatcher stalls.
 */
async function offer(dispatcher: Dispatcher, from: number, tasks: number, offered: number, quorum: number): Promise<Pace> {
  const signal = new AbortController().signal;
  const tookMs: number[] = [];
  const waiting: Promise<void>[] = [];
  const startMs = performance.now();
  let dueMs = startMs;
  for (let number = from; number < from + tasks; number++) {
    dueMs -= (Math.log(1 - Math.random()) * 1000) / offered;
    for (let leftMs = dueMs - performance.now(); leftMs > 0; leftMs = dueMs - performance.now()) await sleep(leftMs);
    const atMs = dueMs;
    const task = numbered(number, { replication: { quorum, most: 5 } });
    waiting.push(dispatcher.submit(task, { signal }).then(() => void tookMs.push(performance.now() - atMs)));
  }
  await Promise.all(waiting);
  return paceOf(tookMs, performance.now() - startMs);
}

/**
 * Submits `tasks` tasks from number `from` on, in `ahead` lanes: each submits its next task as soon as the last is
 * done.
 */
async function flood(dispatcher: Dispatcher, from: number, tasks: number, ahead: number, quorum: number): Promise<Pace> {
  const signal = new AbortController().signal;
  const tookMs: number[] = [];
  let next = from;
  const lane = async (): Promise<void> => {
    while (next < from + tasks) {
      const task = numbered(next++, { replication: { quorum, most: 5 } });
      const startMs = performance.now();
      await dispatcher.submit(task, { signal });
      tookMs.push(performance.now() - startMs);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: ahead }, lane));
  return paceOf(tookMs, performance.now() - startMs);
}

const HELP = `npm run bench -- tasks [--tasks ${DEFAULTS.tasks}] [--no-tabs]`;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tasks: { type: "string", default: String(DEFAULTS.tasks) },
      "no-tabs": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const stop = new AbortController();
  const network = new MemoryNetwork();
  const mesh = network.join(asPeerId("requester"));
  const peers = Array.from({ length: DEFAULTS.volunteers }, (_, n) => asPeerId(`volunteer-${n}`));
  const trusted = Array.from({ length: DEFAULTS.streak }).reduce((standing: typeof STRANGER) => afterAgreed(standing, 0), STRANGER);
  const standings = new Standings(peers.map((peer) => [peer, "timed", trusted] as const));
  const dispatcher = new Dispatcher({ clock: systemClock, random: Math.random, standings });
  void dispatcher.watch(stop.signal);
  for (const self of peers) {
    const runner = { kinds: [{ name: "timed", version: 1 }], run: async () => new Uint8Array(8) };
    const volunteer = new Volunteer({
      self,
      runners: [runner],
      clock: systemClock,
      salt: () => crypto.getRandomValues(new Uint8Array(16)),
    });
    network.join(self).handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    void linkVolunteer(self, { mesh, clock: systemClock, random: Math.random, dispatcher, log: silentLog }, stop.signal);
  }
  const tasks = Number(values.tasks);
  let from = 0;
  const next = (count: number): number => (from += count) - count;
  const print = (name: string, line: object): void => console.log(JSON.stringify({ bench: "tasks", case: name, ...line }));
  await flood(dispatcher, next(DEFAULTS.warmup), DEFAULTS.warmup, DEFAULTS.ahead, 2);
  const { offered } = DEFAULTS;
  for (const [name, quorum] of [
    ["dispatcher", 2],
    ["dispatcher, unchecked", 1],
  ] as const) {
    // How long a task takes is measured at a load below the capacity; how many tasks there can be, at full load.
    const steady = await offer(dispatcher, next(tasks), tasks, offered, quorum);
    print(`${name}, offered ${offered} a second`, { ...steady, offered, goal: { perSecond: 1000, p99Ms: 50 } });
    const most = await flood(dispatcher, next(tasks), tasks, DEFAULTS.ahead, quorum);
    print(`${name}, ${DEFAULTS.ahead} always out`, { ...most, goal: { perSecond: 1000 } });
  }
  const oneByOne = Math.min(tasks, DEFAULTS.oneByOne);
  const one = await flood(dispatcher, next(oneByOne), oneByOne, 1, 2);
  print("dispatcher, one by one", { ...one, goal: { perSecond: 300, p50Ms: 20 } });
  stop.abort();
  await benchRelay(print);
  if (!values["no-tabs"]) await benchTabs(print);
}
