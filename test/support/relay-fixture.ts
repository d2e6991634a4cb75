// Playwright tests with a relay of their own and tabs that are closed afterwards.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, test as base } from "@playwright/test";
import { startRelay, type Relay } from "../../relay/relay.ts";
import { Tab } from "./tabs.ts";

interface Fixtures {
  /** A real relay on a free port, serving the built page. */
  readonly relay: Relay;
  /** Opens the relay's page, or another address, in a context of its own. */
  readonly openTab: (url?: string) => Promise<Tab>;
}

export const test = base.extend<Fixtures>({
  // Playwright reads which fixtures are wanted from this pattern.
  // oxlint-disable-next-line no-empty-pattern
  relay: async ({}, use) => {
    const data = await mkdtemp(path.join(tmpdir(), "manyhands-relay-"));
    const relay = await startRelay({ port: 0, data, name: "the relay of a test" });
    await use(relay);
    await relay.stop();
    await rm(data, { recursive: true, force: true });
  },
  openTab: async ({ browser, relay }: { browser: Browser; relay: Relay }, use, info) => {
    const tabs: Tab[] = [];
    await use(async (url = relay.url) => {
      const tab = await Tab.open(browser, url);
      tabs.push(tab);
      return tab;
    });
    if (info.status !== info.expectedStatus) {
      for (const [index, tab] of tabs.entries()) await info.attach(`console of tab ${index + 1}`, { body: tab.console.join("\n") || "nothing" });
    }
    await Promise.all(tabs.map((tab) => tab.close()));
  },
});

export { expect } from "@playwright/test";
