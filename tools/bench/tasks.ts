// Tasks that do nothing: how many a second one dispatcher lends, checks and settles, and how long one takes; with volunteers in this process.
import { parseArgs } from "node:util";
import { MemoryNetwork } from "../../src/mesh/memory-mesh.ts";
import { PROTOCOLS } from "../../src/protocol/version.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Dispatcher } from "../../src/tasks/dispatcher.ts";
import { lendTo } from "../../src/tasks/lend-to.ts";
import { Standings } from "../../src/tasks/standings.ts";
import { afterAgreed, STRANGER } from "../../src/tasks/reputation.ts";
import { Volunteer } from "../../src/tasks/volunteer.ts";
import { numbered } from "../sim/task-swarm.ts";

const DEFAULTS = Object.freeze({
  tasks: 20_000,
  volunteers: 4,
  /** Tasks out at once: enough to fill batches, few enough that none waits long. */
  ahead: 64,
  warmup: 2000,
  /** Checked results that every volunteer has behind it: 3 % of its work is checked. */
  streak: 100,
  oneByOne: 2000,
});

interface Line {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Submits `tasks` tasks from number `from` on, `ahead` at once. */
async function measure(dispatcher: Dispatcher, from: number, tasks: number, ahead: number, quorum: number): Promise<Line> {
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
  const seconds = (performance.now() - startMs) / 1000;
  tookMs.sort((a, b) => a - b);
  const at = (part: number): number => Number((tookMs[Math.floor(part * tookMs.length)] ?? 0).toFixed(2));
  return { perSecond: Math.round(tasks / seconds), p50Ms: at(0.5), p99Ms: at(0.99) };
}

const HELP = `npm run bench -- tasks [--tasks ${DEFAULTS.tasks}]`;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { tasks: { type: "string", default: String(DEFAULTS.tasks) }, help: { type: "boolean", default: false } },
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
    const volunteer = new Volunteer({ self, runner, clock: systemClock, salt: () => crypto.getRandomValues(new Uint8Array(16)) });
    network.join(self).handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    void lendTo(self, { mesh, clock: systemClock, random: Math.random, dispatcher, log: silentLog }, stop.signal);
  }
  const tasks = Number(values.tasks);
  await measure(dispatcher, 0, DEFAULTS.warmup, DEFAULTS.ahead, 2);
  let from = DEFAULTS.warmup;
  for (const [name, count, ahead, quorum, goal] of [
    ["dispatcher", tasks, DEFAULTS.ahead, 2, { perSecond: 1000, p99Ms: 50 }],
    ["dispatcher, unchecked", tasks, DEFAULTS.ahead, 1, { perSecond: 1000, p99Ms: 50 }],
    ["dispatcher, one by one", Math.min(tasks, DEFAULTS.oneByOne), 1, 2, { perSecond: 300, p50Ms: 20 }],
  ] as const) {
    const line = await measure(dispatcher, from, count, ahead, quorum);
    console.log(JSON.stringify({ bench: "tasks", case: name, ...line, goal }));
    from += count;
  }
  stop.abort();
}
