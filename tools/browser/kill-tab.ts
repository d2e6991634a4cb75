// Ends a tab in one of four ways in which it cannot say goodbye: closed, navigated away, crashed, or its process
// killed.
import { randomUUID } from "node:crypto";
import type { Browser } from "playwright-core";
import type { Tab } from "./tabs.ts";

/** `close` and `navigate` still fire `pagehide`; after `crash` and `sigkill` the page runs no more code. */
export const KILL_WAYS = Object.freeze(["close", "navigate", "crash", "sigkill"] as const);
export type KillWay = (typeof KILL_WAYS)[number];

/** Whether the page gets to run its `pagehide` listeners. */
export const firesPagehide = (way: KillWay): boolean => way === "close" || way === "navigate";

/** One trace of a browser at a time: Chromium refuses a second. */
const tracing = new WeakMap<Browser, Promise<unknown>>();

/**
 * Ends the peer in `tab` and no other: tabs of different contexts never share a process. Resolves once the browser has
 * ended it; other peers notice later. The tab's context stays open until `tab.close()`. `pid` is the process of the
 * tab's renderer, for `sigkill`; without it the renderer is looked up. Resolves with the time at which the browser got
 * the order, in milliseconds since 1970. For `navigate` it is the time at which the next page came, because a page
 * lives until then.
 */
export async function killTab(tab: Tab, way: KillWay, pid?: number): Promise<number> {
  const orderedMs = performance.timeOrigin + performance.now();
  switch (way) {
    case "close":
      // As a person closes it: `pagehide` is fired.
      await tab.page.close({ runBeforeUnload: true });
      return orderedMs;
    case "navigate": {
      const came = new Promise<number>((resolve) =>
        tab.page.once("framenavigated", () => resolve(performance.timeOrigin + performance.now())),
      );
      await tab.page.goto("about:blank", { waitUntil: "commit" });
      return came;
    }
    case "crash": {
      const session = await tab.context.newCDPSession(tab.page);
      const crashed = new Promise((resolve) => tab.page.once("crash", resolve));
      session.send("Page.crash").catch(() => {}); // the browser never replies to this
      await crashed;
      return orderedMs;
    }
    case "sigkill": {
      const renderer = pid ?? (await rendererPid(tab));
      const crashed = new Promise((resolve) => tab.page.once("crash", resolve));
      process.kill(renderer, "SIGKILL");
      await crashed;
      return orderedMs;
    }
  }
}

/**
 * Resolves with the process id of the tab's renderer. DevTools lists the renderers but not their pages, so this sets a
 * mark in the page and looks for the mark's process in a trace of the browser. Takes about 0.1 s. Throws if the trace
 * has no mark.
 */
export async function rendererPid(tab: Tab): Promise<number> {
  const browser = tab.context.browser();
  if (!browser) throw new Error("the tab has no browser");
  const before = tracing.get(browser) ?? Promise.resolve();
  const looked = before.catch(() => {}).then(() => tracedPid(browser, tab)); // the caller before this one saw that failure
  tracing.set(browser, looked);
  return looked;
}

async function tracedPid(browser: Browser, tab: Tab): Promise<number> {
  const name = `manyhands:${randomUUID()}`;
  await browser.startTracing(tab.page, { categories: ["blink.user_timing"] });
  await tab.page.evaluate((mark) => {
    performance.mark(mark);
    performance.clearMarks(mark);
  }, name);
  const trace = JSON.parse((await browser.stopTracing()).toString()) as {
    readonly traceEvents: readonly { readonly name: string; readonly pid: number }[]; // Chromium's own format
  };
  const pid = trace.traceEvents.find((event) => event.name === name)?.pid;
  if (pid === undefined) throw new Error("the trace does not say which process renders the page");
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  if (!processInfo.some(({ type, id }) => type === "renderer" && id === pid))
    throw new Error(`process ${pid} is no renderer of this browser`);
  return pid;
}
