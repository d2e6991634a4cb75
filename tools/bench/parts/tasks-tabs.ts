// The cases of the bench of tasks in real tabs: up to four volunteers, one requester, and a relay between them.
import { cp } from "node:fs/promises";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { startRelay } from "../../../relay/relay.ts";
import { putInPages } from "../../browser/bundle-page.ts";
import { meshAddress, volunteersOf } from "../../browser/relay-swarm.ts";
import { Tab } from "../../browser/tabs.ts";
import { onBed, rounded } from "./bench-bed.ts";
import { paceOf, spread } from "./spread.ts";
import type * as TasksPage from "./tasks-page.ts";

const DEFAULTS = Object.freeze({
  tabs: 4,
  /** Small tasks that are assigned at once, in batches. */
  ahead: 256,
  batched: 10_000,
  oneByOne: 1000,
  /** Small tasks before anything is measured: as many as every tab needs to be trusted. */
  warmup: 1000,
  /** Tasks that compute for `taskMs`. */
  long: 120,
  rounds: 5,
  taskMs: 100,
  /**
   * Samples per pixel of the trial tasks, which show how many samples take `taskMs`: enough that the other costs of a
   * task do not matter.
   */
  trialSamples: 128,
});

const DIST = path.join(import.meta.dirname, "../../../dist");
type Global = typeof globalThis & { readonly bench: typeof TasksPage };

export type Print = (name: string, line: object) => void;

/** Prints a line for each case. Needs the built page. */
export async function benchTabs(print: Print): Promise<void> {
  await withTabs(DEFAULTS.tabs, ({ page, peers }) => small(page, peers, print));
  // These tabs are new: the others are still sending the receipts of ten thousand tasks.
  await withTabs(2, (tabs) => long(tabs, print));
}

interface Tabs {
  readonly browser: Browser;
  /** The requester's page. */
  readonly page: Page;
  /** Address for tabs without the built page. */
  readonly url: string;
  /** The volunteers. */
  readonly peers: readonly string[];
}

async function withTabs(count: number, work: (tabs: Tabs) => Promise<void>): Promise<void> {
  await onBed([], async ({ browser, folder }) => {
    const site = folder("site");
    // Without a model, tabs can lend to tasks only.
    await cp(DIST, site, { recursive: true, filter: (source) => source !== path.join(DIST, "models") });
    const relay = await startRelay({ port: 0, data: folder("relay"), site });
    try {
      for (let n = 0; n < count; n++) {
        const { page } = await Tab.open(browser, relay.url);
        await page.getByTestId("lend-start").click();
        await page.locator('[data-testid="lend-state"][data-state="tasks-only"]').waitFor();
      }
      while (volunteersOf(relay).length < count) await new Promise((resolve) => setTimeout(resolve, 50));
      const { page } = await Tab.open(browser, plain(relay.url));
      await putInPages([page], new URL("tasks-page.ts", import.meta.url), "bench");
      await page.evaluate((address) => (globalThis as Global).bench.join(address), await meshAddress(relay));
      await work({ browser, page, url: plain(relay.url), peers: volunteersOf(relay) });
    } finally {
      await relay.stop();
    }
  });
}

/** Returns an address of the relay without the built page, which would keep asking for the overview and paint it. */
const plain = (relay: string): string => new URL("licences.txt", relay).href;

const assignTo = (page: Page, peers: readonly string[]): Promise<void> =>
  page.evaluate((all) => (globalThis as Global).bench.assignTo(all), peers);

async function small(page: Page, peers: readonly string[], print: Print): Promise<void> {
  const run = (count: number, ahead: number): Promise<TasksPage.Times> =>
    page.evaluate(([tasks, out]) => (globalThis as Global).bench.small(tasks, out), [count, ahead] as const);
  await assignTo(page, peers);
  await run(DEFAULTS.warmup, DEFAULTS.ahead);
  for (const [name, count, ahead, goal] of [
    [`${peers.length} tabs, ${DEFAULTS.ahead} always out`, DEFAULTS.batched, DEFAULTS.ahead, { perSecond: 1000 }],
    [`${peers.length} tabs, one by one`, DEFAULTS.oneByOne, 1, { perSecond: 300, p50Ms: 20 }],
  ] as const) {
    const { wallMs, eachMs } = await run(count, ahead);
    print(name, { ...paceOf(eachMs, wallMs), goal });
  }
}

/**
 * Times tasks that compute, on two tabs and on one, and in two pages without the mesh. All are interleaved, so that a
 * busy minute of the machine affects all alike.
 */
async function long({ browser, page, url, peers }: Tabs, print: Print): Promise<void> {
  const bare = await Promise.all([0, 1].map(async () => (await Tab.open(browser, url)).page));
  await putInPages(bare, new URL("tasks-page.ts", import.meta.url), "bench");
  const alone = (at: Page, count: number, samples: number): Promise<number> =>
    at.evaluate(([parts, each]) => (globalThis as Global).bench.alone(parts, each), [count, samples] as const);
  let seed = 0;
  const draw = (count: number, samples: number): Promise<number> => {
    const args = [count, samples, ++seed] as const;
    return page.evaluate(([parts, each, from]) => (globalThis as Global).bench.assigned(parts, each, from), args);
  };
  const assigned = async (tabs: number, samples: number): Promise<number> => {
    await assignTo(page, peers.slice(0, tabs));
    await draw(DEFAULTS.long, 2); // opens links, starts workers and compiles their code
    await page.evaluate(() => (globalThis as Global).bench.posted()); // else receipts of these are made while the next tasks are timed
    return draw(DEFAULTS.long, samples);
  };
  const [first = page] = bare;
  // The picture is the same each time, except for its noise, because squares of a picture differ in cost.
  for (const each of bare) await alone(each, DEFAULTS.long, DEFAULTS.trialSamples); // gives the compiler its time
  const trialMs = await alone(first, DEFAULTS.long, DEFAULTS.trialSamples);
  const samples = Math.max(1, Math.round((DEFAULTS.trialSamples * DEFAULTS.taskMs) / trialMs));
  await assigned(2, samples); // meanwhile the compilers of three pages run on the same cores
  const times: { readonly taskMs: number; readonly besideMs: number; readonly one: number; readonly two: number }[] = [];
  for (let round = 0; round < DEFAULTS.rounds; round++) {
    const taskMs = await alone(first, DEFAULTS.long, samples);
    const one = await assigned(1, samples);
    const beside = await Promise.all(bare.map((each) => alone(each, DEFAULTS.long, samples)));
    const two = await assigned(2, samples);
    times.push({ taskMs, besideMs: Math.max(...beside), one, two });
  }
  print(`tasks of ${DEFAULTS.taskMs} ms of computing, 2 tabs against 1`, {
    perSecond: rounded((1000 * DEFAULTS.long) / spread(times.map(({ two }) => two)).median, 2),
    taskMs: spread(times.map(({ taskMs }) => taskMs)),
    timesOneTab: spread(times.map(({ one, two }) => one / two)),
    /** The speed of two pages that only compute, against one: the most that this machine allows. */
    timesOneBarePage: spread(times.map(({ taskMs, besideMs }) => (2 * taskMs) / besideMs)),
    /** The part of one tab's time that is not computing. */
    overhead: spread(times.map(({ one, taskMs }) => one / (DEFAULTS.long * taskMs) - 1)),
    goal: { timesOneTab: 1.85, overhead: 0.05 },
  });
  for (const each of bare) await each.context().close();
}
