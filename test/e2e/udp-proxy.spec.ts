// The path that benches put between tabs: each packet takes as long as the path says, and no packet bypasses it.
import type { Browser, BrowserContext } from "@playwright/test";
import { RawChannel } from "../../tools/browser/raw-channel.ts";
import { launchBrowser, type Tab } from "../../tools/browser/tabs.ts";
import { PROXY_FLAGS, UdpProxy } from "../../tools/browser/udp-proxy.ts";
import type { PathOptions } from "../../tools/browser/path-shaper.ts";
import { expect, test as base } from "../support/relay-fixture.ts";

interface Fixtures {
  readonly browser: Browser;
  readonly path: { current: PathOptions };
  readonly udp: UdpProxy;
  readonly openFar: (name: string, url?: string) => Promise<Tab>;
}

const SLICE = 4600;
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const test = base.extend<Pick<Fixtures, "path" | "udp" | "openFar">, Pick<Fixtures, "browser">>({
  browser: [
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const browser = await launchBrowser(PROXY_FLAGS);
      await use(browser);
      await browser.close();
    },
    { scope: "worker" },
  ],
  // oxlint-disable-next-line no-empty-pattern
  path: async ({}, use) => use({ current: { delayMs: 0 } }),
  udp: async ({ path }, use) => {
    const udp = new UdpProxy({ path: () => path.current, random: Math.random });
    await use(udp);
    await udp.stop();
  },
  openFar: async ({ openTab, udp }, use) => use((name, url) => openTab(url, (context: BrowserContext) => udp.attach(context, name))),
});

test("a ping over the path takes the path's round trip, and no direct way is found", async ({ openFar, path, udp, relay }) => {
  const page = `${relay.url}healthz`;
  const [near, far] = [await openFar("near", page), await openFar("far", page)];
  const channel = await RawChannel.open(near.page, far.page, { sliceBytes: SLICE });
  const ports = await channel.remotePorts();
  expect(ports).toHaveLength(2);
  for (const port of ports) expect(await udp.owns(port)).toBe(true);

  const floor = median((await channel.ping(1000, 20)).map(({ roundTripMs }) => roundTripMs));
  for (const delayMs of [20, 50]) {
    path.current = { delayMs };
    const rtt = median((await channel.ping(1000, 10)).map(({ roundTripMs }) => roundTripMs));
    expect(rtt).toBeGreaterThanOrEqual(2 * delayMs);
    expect(rtt).toBeLessThan(2 * delayMs + floor + 10);
  }
  const before = udp.passed;
  path.current = { delayMs: 0, loss: 1 };
  const lost = channel.ping(1000, 1);
  await expect.poll(() => udp.lost).toBeGreaterThan(0);
  path.current = { delayMs: 0 };
  await lost; // the lost packets are sent again
  expect(udp.passed).toBeGreaterThan(before);
});

test("each direction has a path of its own", async ({ openTab, relay }) => {
  const proxy = new UdpProxy({ path: (from, to) => ({ delayMs: from === "near" && to === "far" ? 60 : 5 }), random: Math.random });
  const open = (name: string): Promise<Tab> => openTab(`${relay.url}healthz`, (context) => proxy.attach(context, name));
  const [near, far] = [await open("near"), await open("far")];
  const channel = await RawChannel.open(near.page, far.page, { sliceBytes: SLICE });
  const pings = await channel.ping(1000, 10);
  const there = median(pings.map(({ thereMs }) => thereMs));
  const back = median(pings.map(({ thereMs, roundTripMs }) => roundTripMs - thereMs));
  expect(there).toBeGreaterThanOrEqual(60);
  expect(back).toBeGreaterThanOrEqual(5);
  expect(back).toBeLessThan(there - 30);
  await proxy.stop();
});

test("tabs that answer together do so over the path", async ({ openFar, path, udp }) => {
  const [first, second] = [await openFar("first"), await openFar("second")];
  await first.lend();
  await second.lend();
  await first.holds("0-4");
  expect(await first.ask("The moon", { maxTokens: 4 })).toMatchObject({ status: "done", route: ["0-4", "4-8"] });
  path.current = { delayMs: 40 };
  const passed = udp.passed;
  const answer = await first.ask("Once upon a time", { maxTokens: 12 });
  expect(answer).toMatchObject({ status: "done", route: ["0-4", "4-8"] });
  expect(udp.passed - passed).toBeGreaterThan(2 * 11);
  expect(1000 / answer.tokensPerSecond).toBeGreaterThanOrEqual(80);
});
