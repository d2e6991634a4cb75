// Two tabs with links of this project's mesh between them, and a bare data channel for comparison.
import type { Browser, BrowserContext } from "playwright-core";
import type { Relay } from "../../../relay/relay.ts";
import { putInPages } from "../../browser/bundle-page.ts";
import { type Ping, RawChannel } from "../../browser/raw-channel.ts";
import { meshAddress } from "../../browser/relay-swarm.ts";
import { Tab } from "../../browser/tabs.ts";
import type * as HopPage from "./hop-page.ts";

/** Bytes that Chrome's SCTP sends in one burst. */
const SLICE_BYTES = 4600;

type HopGlobal = typeof globalThis & { readonly hop: typeof HopPage };

export class HopPair {
  readonly #tabs: readonly [Tab, Tab];
  readonly #raw: RawChannel;

  private constructor(tabs: readonly [Tab, Tab], raw: RawChannel) {
    this.#tabs = tabs;
    this.#raw = raw;
  }

  /** Opens both tabs. `prepare` is called with each tab's context and name, before the tab loads anything. */
  static async open(
    browser: Browser,
    relay: Relay,
    prepare?: (context: BrowserContext, name: string) => Promise<unknown>,
  ): Promise<HopPair> {
    const open = (name: string): Promise<Tab> => Tab.open(browser, `${relay.url}healthz`, prepare && ((context) => prepare(context, name)));
    const tabs = [await open("hop-a"), await open("hop-b")] as const;
    const pages = tabs.map(({ page }) => page);
    await putInPages(pages, new URL("hop-page.ts", import.meta.url), "hop");
    const mesh = await meshAddress(relay);
    const peers: string[] = [];
    for (const page of pages) peers.push(await page.evaluate((address) => (globalThis as HopGlobal).hop.join(address), mesh));
    await tabs[0].page.evaluate((peer) => (globalThis as HopGlobal).hop.call(peer), peers[1] ?? "");
    return new HopPair(tabs, await RawChannel.open(tabs[0].page, tabs[1].page, { sliceBytes: SLICE_BYTES }));
  }

  /**
   * Sends frames with a payload of `bytes` to the other tab and back over a link, one after the other, `pauseMs` apart.
   */
  link(way: HopPage.Way, bytes: number, count: number, pauseMs = 0): Promise<readonly HopPage.HopTimes[]> {
    const { page } = this.#tabs[0];
    return page.evaluate(([...ping]) => (globalThis as HopGlobal).hop.ping(...ping), [way, bytes, count, pauseMs] as const);
  }

  /** Sends the same bytes over the bare channel. */
  raw(bytes: number, count: number): Promise<readonly Ping[]> {
    return this.#raw.ping(bytes, count);
  }

  async close(): Promise<void> {
    await Promise.all(this.#tabs.map((tab) => tab.close()));
  }
}
