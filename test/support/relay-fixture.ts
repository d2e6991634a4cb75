// Playwright's `test` with relays and tabs of each test's own, which are closed after it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, type BrowserContext, expect, test as base } from "@playwright/test";
import type { RelayConfig } from "../../relay/config.ts";
import { startRelay, type Relay } from "../../relay/relay.ts";
import { Tab } from "../../tools/browser/tabs.ts";

interface Fixtures {
  /** A folder of this test alone, which is removed after it. */
  readonly folder: string;
  /** A real relay on a free port, serving the built page. */
  readonly relay: Relay;
  /** Starts a relay with other options. The relays of a test share their key, so that one can replace another. */
  readonly startRelay: (options: Partial<RelayConfig>) => Promise<Relay>;
  /** Opens the relay's page, or another address, in a context of its own. Calls `prepare` before anything is loaded. */
  readonly openTab: (url?: string, prepare?: (context: BrowserContext) => Promise<unknown>) => Promise<Tab>;
}

export const test = base.extend<Fixtures>({
  // Playwright reads from this pattern which fixtures the function uses.
  // oxlint-disable-next-line no-empty-pattern
  folder: async ({}, use) => {
    const folder = await mkdtemp(path.join(tmpdir(), "manyhands-test-"));
    await use(folder);
    await rm(folder, { recursive: true, force: true });
  },
  startRelay: async ({ folder }, use) => {
    const relays: Relay[] = [];
    await use(async (options) => {
      const relay = await startRelay({ port: 0, data: path.join(folder, "relay"), name: "the relay of a test", ...options });
      relays.push(relay);
      return relay;
    });
    await Promise.all(relays.map((relay) => relay.stop()));
  },
  relay: async ({ startRelay }, use) => use(await startRelay({})),
  openTab: async ({ browser, relay }: { browser: Browser; relay: Relay }, use, info) => {
    const tabs: Tab[] = [];
    await use(async (url = relay.url, prepare) => {
      const tab = await Tab.open(browser, url, prepare);
      tabs.push(tab);
      return tab;
    });
    if (info.status !== info.expectedStatus) {
      for (const [index, tab] of tabs.entries())
        await info.attach(`console of tab ${index + 1}`, { body: tab.console.join("\n") || "nothing" });
    }
    await Promise.all(tabs.map((tab) => tab.close()));
    const uncaught = tabs.flatMap((tab) => tab.console.filter((line) => line.startsWith("uncaught:")));
    expect(uncaught, "errors that nobody handled").toEqual([]);
  },
});

export { expect };
