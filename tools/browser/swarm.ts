// A swarm of real tabs around a relay of its own, for benches and soaks: opened, settled, thinned out and filled up again.
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
  /** Milliseconds for all tabs to serve what the plan gives them, with weights of some hundred MB on a busy machine. */
  settleMs: 300_000,
  /** Milliseconds without a change of spans after which a swarm counts as settled: twice what a lender waits before it plans. */
  quietMs: 300,
  /** Milliseconds between two looks at the directory. */
  lookMs: 25,
});

export interface SwarmOptions {
  readonly browser: Browser;
  /** Folder of this swarm alone: the relay's key lies there, so that a relay that is started again is the same. */
  readonly data: string;
  /** Model folders served before the bundled one. */
  readonly models?: readonly string[];
  /** Share of its compute that each tab lends, 0.1 to 1. Default 1. */
  readonly share?: number;
  /** Called for the context of each tab before anything is loaded. */
  readonly prepare?: (context: BrowserContext) => Promise<unknown>;
}

/** A tab that lends, as whoever kills it must know it. */
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

  /** A relay with `count` tabs that lend, settled. */
  static async open(options: SwarmOptions, count: number): Promise<Swarm> {
    const swarm = new Swarm(options, await startRelay(relayConfig(options)));
    await swarm.fill(count);
    return swarm;
  }

  get relay(): Relay {
    return this.#relay;
  }

  /** A tab that only asks. */
  async visitor(): Promise<Tab> {
    const tab = await Tab.open(this.#options.browser, this.#relay.url, this.#options.prepare);
    this.#others.push(tab);
    return tab;
  }

  /** Opens tabs until `count` lend, one after the other, so that each takes what the plan gives it; then waits until all is settled. */
  async fill(count: number): Promise<void> {
    while (this.lenders.length < count) {
      const tab = await Tab.open(this.#options.browser, this.#relay.url, this.#options.prepare);
      await tab.lend({ share: this.#options.share ?? 1 });
      this.lenders.push({ tab, peer: await peerOf(tab), pid: await rendererPid(tab) });
      await this.settled();
    }
    await this.settled();
  }

  /** Takes lenders out that were killed, and frees what is left of their tabs. */
  async bury(dead: readonly Lender[]): Promise<void> {
    for (const lender of dead) {
      this.lenders.splice(this.lenders.indexOf(lender), 1);
      await lender.tab.close();
    }
  }

  /** Resolves once the directory lists the lenders and nobody else, each serves what it means to, and no layer is without a peer. */
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

  /** Resolves with the moment at which the directory has dropped `peer`, milliseconds since 1970; undefined after `timeoutMs`. */
  async gone(peer: string, timeoutMs: number): Promise<number | undefined> {
    const limit = Date.now() + timeoutMs;
    while (this.#relay.directory.swarm.peers.some((record) => record.peer === peer)) {
      if (Date.now() > limit) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return Date.now();
  }

  /** Ends the relay; tabs go on without it. */
  async stopRelay(): Promise<void> {
    await this.#relay.stop();
  }

  /** A relay with the same key at the same address, in place of the one that was stopped. */
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
