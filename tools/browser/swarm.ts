// A swarm of real tabs around a relay of its own, for benches and soaks: it opens, settles, loses tabs and is filled up
// again.
import type { Browser, BrowserContext } from "playwright-core";
import type { RelayConfig } from "../../relay/config.ts";
import { type Relay, startRelay } from "../../relay/relay.ts";
import type { PeerRecord } from "../../src/protocol/directory-frames.ts";
import { findGaps } from "../../src/route/coverage.ts";
import { sameSpan } from "../../src/shared/ids.ts";
import { peerOf } from "./answer-tap.ts";
import { rendererPid } from "./kill-tab.ts";
import { Tab } from "./tabs.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds until all tabs serve what the placement gives them: weights of some hundred MB on a busy machine. */
  settleMs: 300_000,
  /**
   * Milliseconds without a change of spans after which a swarm is settled: twice what a lender waits before it plans.
   */
  quietMs: 300,
  /** Milliseconds between two looks at the directory. */
  lookMs: 25,
});

export interface SwarmOptions {
  readonly browser: Browser;
  /** Folder of this swarm alone. It holds the relay's key, so that a restarted relay is the same. */
  readonly data: string;
  /** Model folders served before the bundled one. */
  readonly models?: readonly string[];
  /** Share of its compute that each tab lends, 0.1 to 1. Default 1. */
  readonly share?: number;
  /** Called for the context of each tab before anything is loaded. */
  readonly prepare?: (context: BrowserContext) => Promise<unknown>;
}

/** A tab that lends, with what is needed to kill it. */
export interface Lender {
  readonly tab: Tab;
  readonly peer: string;
  readonly pid: number;
}

export class Swarm {
  readonly lenders: Lender[] = [];
  readonly #options: SwarmOptions;
  readonly #others: Tab[] = [];
  #relay: Relay;

  private constructor(options: SwarmOptions, relay: Relay) {
    this.#options = options;
    this.#relay = relay;
  }

  /** Opens a relay with `count` tabs that lend, and resolves once the swarm is settled. */
  static async open(options: SwarmOptions, count: number): Promise<Swarm> {
    const swarm = new Swarm(options, await startRelay(relayConfig(options)));
    await swarm.fill(count);
    return swarm;
  }

  get relay(): Relay {
    return this.#relay;
  }

  /** Opens a tab that only asks. */
  async visitor(): Promise<Tab> {
    const tab = await Tab.open(this.#options.browser, this.#relay.url, this.#options.prepare);
    this.#others.push(tab);
    return tab;
  }

  /**
   * Opens tabs until `count` lend, and resolves once the swarm is settled. Tabs open one after the other, so that each
   * loads the span that the placement gives it.
   */
  async fill(count: number): Promise<void> {
    while (this.lenders.length < count) {
      const tab = await Tab.open(this.#options.browser, this.#relay.url, this.#options.prepare);
      await tab.lend({ share: this.#options.share ?? 1 });
      this.lenders.push({ tab, peer: await peerOf(tab), pid: await rendererPid(tab) });
      await this.settled();
    }
    await this.settled();
  }

  /** Removes lenders that were killed, and frees the contexts of their tabs. */
  async remove(dead: readonly Lender[]): Promise<void> {
    for (const lender of dead) {
      this.lenders.splice(this.lenders.indexOf(lender), 1);
      await lender.tab.close();
    }
  }

  /**
   * Resolves once the directory lists the lenders and no other peer, each serves its target, and every layer has a
   * peer.
   */
  async settled(): Promise<void> {
    const limit = Date.now() + DEFAULTS.settleMs;
    let quietSince = Date.now();
    for (let before = ""; ;) {
      const { peers } = this.#relay.directory.swarm;
      const now = JSON.stringify(peers.map(({ peer, target, serving }) => [peer, target, serving]));
      if (now !== before || !this.#whole(peers)) quietSince = Date.now();
      if (Date.now() - quietSince >= DEFAULTS.quietMs) return;
      if (Date.now() > limit) throw new Error(`the ${this.lenders.length} tabs did not settle: ${now}`);
      before = now;
      await new Promise((resolve) => setTimeout(resolve, DEFAULTS.lookMs));
    }
  }

  /** Stops the relay; the tabs stay open. */
  async stopRelay(): Promise<void> {
    await this.#relay.stop();
  }

  /** Starts a relay with the same key at the same address, in place of the one that was stopped. */
  async restartRelay(): Promise<void> {
    this.#relay = await startRelay({ ...relayConfig(this.#options), port: this.#relay.port });
  }

  async close(): Promise<void> {
    await Promise.all([...this.lenders.map(({ tab }) => tab), ...this.#others].map((tab) => tab.close()));
    await this.#relay.stop();
  }

  #whole(peers: readonly PeerRecord[]): boolean {
    const spans = peers.flatMap(({ serving }) => serving);
    const layers = Math.max(...peers.map(({ target }) => target?.end ?? 0), ...spans.map(({ end }) => end));
    return (
      peers.length === this.lenders.length &&
      peers.every(({ target, serving }) => target !== null && serving.some((span) => sameSpan(span, target))) &&
      findGaps(spans, layers).length === 0
    );
  }
}

const relayConfig = ({ data, models }: SwarmOptions): Partial<RelayConfig> => ({ port: 0, data, models: [...(models ?? [])] });
