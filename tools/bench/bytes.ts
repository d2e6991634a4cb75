// Bytes that a model costs its origin, and whether all tiles are checked: a third, a second visit, a killed tab, a
// swarm.
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { type Relay, startRelay } from "../../relay/relay.ts";
import { decodeManifest, type Manifest, spanBytes } from "../../src/model/tiles/manifest.ts";
import type { TileCounts } from "../../src/model/tiles/tile-tally.ts";
import { asModelId, asPeerId, type Span } from "../../src/shared/ids.ts";
import { killTab } from "../browser/kill-tab.ts";
import { launchBrowser, Tab } from "../browser/tabs.ts";
import { type Hub, startHub } from "../hub/hub-server.ts";
import { announceStandIn } from "./parts/stand-in.ts";
import { HUB_MODEL, HUB_SHAPES, hubModel, type HubShape } from "./models/hub-model.ts";

const DEFAULTS = Object.freeze({
  /** Tabs that together hold a model twice. */
  tabs: 8,
  /** Bytes a second of each connection to the origin while many tabs start: 200 Mbit/s. */
  swarmRate: 25_000_000,
  /**
   * The same while one tab is killed: 80 Mbit/s, slow enough that bytes that were sent have arrived and fill no
   * buffers.
   */
  killedRate: 10_000_000,
  /** Milliseconds for all tabs to serve, on a busy machine. */
  serveMs: 300_000,
});

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { case: { type: "string", default: "all" }, tabs: { type: "string", default: String(DEFAULTS.tabs) } },
  });
  const wanted = (name: string): boolean => values.case === "all" || values.case === name;
  if (wanted("third") || wanted("second-visit") || wanted("killed")) {
    await withBench(HUB_SHAPES.twelveLayers, async (bench) => {
      if (wanted("third") || wanted("second-visit")) await bench.third();
      if (wanted("killed")) await bench.killed();
    });
  }
  if (wanted("swarm")) {
    // Placement gives each of the four layers to two of the eight tabs.
    await withBench(HUB_SHAPES.fourLayers, (bench) => bench.swarm(Number(values.tabs)));
  }
}

async function withBench(shape: HubShape, work: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = await Bench.open(shape);
  try {
    await work(bench);
  } finally {
    await bench.close();
  }
}

class Bench {
  readonly #browser: Browser;
  readonly #hub: Hub;
  readonly #folder: string;
  readonly #manifest: Manifest;
  readonly #model: string;
  readonly #scratch: string;
  #relays = 0;

  private constructor(browser: Browser, hub: Hub, served: Awaited<ReturnType<typeof hubModel>>, scratch: string) {
    this.#browser = browser;
    this.#hub = hub;
    this.#folder = served.folder;
    this.#manifest = decodeManifest(served.bytes);
    this.#model = served.id;
    this.#scratch = scratch;
  }

  static async open(shape: HubShape): Promise<Bench> {
    const scratch = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
    const models: Record<string, string> = {};
    const hub = await startHub({ models });
    const served = await hubModel({ shape, url: hub.folderOf(HUB_MODEL), folder: path.join(scratch, "model") });
    models[HUB_MODEL] = served.files;
    return new Bench(await launchBrowser(), hub, served, scratch);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#hub.stop();
    await rm(this.#scratch, { recursive: true, force: true });
  }

  get #dataBytes(): number {
    return this.#manifest.dataFiles.reduce((sum, file) => sum + file.size, 0);
  }

  /** A tab that holds a third of the layers fetches only their bytes, and nothing on its second visit. */
  async third(): Promise<void> {
    // Stand-ins in the directory serve the other two thirds, so placement gives the tab the middle one.
    const relay = await this.#relay();
    const { layerCount } = this.#manifest;
    const width = Math.max(1, Math.round(layerCount / 3));
    const span: Span = { start: width, end: 2 * width };
    this.#standIn(relay, "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", { start: 0, end: span.start });
    this.#standIn(relay, "12D3KooWSHj3RRbBjD15g6wekV8y3mm57Pobmps2g2WJm6F67Lay", { start: span.end, end: layerCount });
    this.#hub.reset();
    this.#hub.setRate(0);
    const tab = await Tab.open(this.#browser, relay.url);
    const held = await tab.lend();
    const counts = await countsOf(tab);
    // The bytes of the span; tables that several layers share count once.
    const own = counts.fromStoreBytes + counts.fromPeersBytes + counts.fromOriginBytes;
    print({
      case: "third",
      span: held,
      spanBytes: own,
      originBytes: this.#hub.sentBytes,
      skeletonBytes: this.#manifest.graph.size,
      fetchedToSpan: ratio(this.#hub.sentBytes, own),
      tilesChecked: ratio(counts.checked, counts.used + counts.refused),
      tiles: counts.checked,
    });
    this.#hub.reset();
    await tab.page.reload();
    await tab.lend();
    const again = await countsOf(tab);
    print({
      case: "second-visit",
      span: await tab.span(),
      secondVisitBytes: this.#hub.sentBytes,
      fromStoreBytes: again.fromStoreBytes,
      tilesChecked: ratio(again.checked, again.used + again.refused),
    });
    await tab.close();
    await relay.stop();
  }

  /** A tab that dies half way fetches the rest, and nothing twice but at most the tile that was on its way. */
  async killed(): Promise<void> {
    const relay = await this.#relay();
    this.#hub.reset();
    this.#hub.setRate(DEFAULTS.killedRate);
    const tab = await Tab.open(this.#browser, relay.url);
    const total = this.#dataBytes;
    await tab.page.getByTestId("lend-start").click();
    while (this.#hub.sentBytes < total / 2) await pause(20);
    const second = await tab.openBeside("about:blank");
    const before = this.#hub.sentBytes;
    await killTab(tab, "crash");
    await pause(1000); // until the connection of the dead tab has ended
    this.#hub.reset();
    this.#hub.setRate(0);
    await second.page.goto(relay.url);
    await second.lend();
    const after = this.#hub.sentBytes;
    const counts = await countsOf(second);
    print({
      case: "killed",
      killedAt: ratio(before, total),
      refetchedBytes: before + after - total,
      refetchedTiles: ratio(before + after - total, 1024 * 1024),
      fromStoreBytes: counts.fromStoreBytes,
      fetchedToSpan: ratio(before + after, total),
      tilesChecked: ratio(counts.checked, counts.used + counts.refused),
    });
    await second.close();
    await relay.stop();
  }

  /** Tabs that together hold the model twice, all started at once: the bytes that the origin sends to all of them. */
  async swarm(count: number): Promise<void> {
    const relay = await this.#relay();
    this.#hub.reset();
    this.#hub.setRate(DEFAULTS.swarmRate);
    const tabs: Tab[] = [];
    for (let opened = 0; opened < count; opened++) tabs.push(await Tab.open(this.#browser, relay.url));
    const started = performance.now();
    await Promise.all(tabs.map((tab) => tab.page.getByTestId("lend-start").click()));
    await settled(relay, count);
    const seconds = (performance.now() - started) / 1000;
    const all = await Promise.all(tabs.map(countsOf));
    const sum = (key: keyof TileCounts): number => all.reduce((total, counts) => total + counts[key], 0);
    const spans = relay.directory.swarm.peers.flatMap(({ serving }) => serving);
    const heldBytes = spans.reduce((total, span) => total + spanBytes(this.#manifest, span.start, span.end), 0);
    print({
      case: "swarm",
      tabs: count,
      spans: spans.map(({ start, end }) => `${start}-${end}`).toSorted(),
      heldToModel: ratio(heldBytes, this.#dataBytes),
      originToModel: ratio(this.#hub.sentBytes, this.#dataBytes),
      fromPeersToModel: ratio(sum("fromPeersBytes"), this.#dataBytes),
      tilesChecked: ratio(sum("checked"), sum("used") + sum("refused")),
      seconds: Number(seconds.toFixed(1)),
      cores: cpus().length,
    });
    await Promise.all(tabs.map((tab) => tab.close()));
    await relay.stop();
  }

  #relay(): Promise<Relay> {
    return startRelay({ port: 0, data: path.join(this.#scratch, `relay-${++this.#relays}`), models: [this.#folder] });
  }

  #standIn(relay: Relay, peer: string, span: Span): void {
    announceStandIn(relay, this, asPeerId(peer), asModelId(this.#model), span);
  }
}

/** Resolves with the page's own counts, which it leaves in the browser's performance timeline. */
async function countsOf(tab: Tab): Promise<TileCounts> {
  const counts = await tab.page.evaluate(() => {
    const marks = performance.getEntriesByName("manyhands:tiles");
    return marks.length > 0 ? (marks.at(-1) as PerformanceMark).detail : undefined;
  });
  if (counts === undefined) throw new Error("the page counted no tiles");
  return counts as TileCounts; // from our own page
}

/** Resolves once all peers have served their targets for a while. */
async function settled(relay: Relay, count: number): Promise<void> {
  const limit = Date.now() + DEFAULTS.serveMs;
  for (let quiet = 0; quiet < 10;) {
    const { peers } = relay.directory.swarm;
    const done =
      peers.length === count &&
      peers.every(({ target, serving }) => serving.length === 1 && serving[0]?.start === target?.start && serving[0]?.end === target?.end);
    quiet = done ? quiet + 1 : 0;
    if (Date.now() > limit)
      throw new Error(`the tabs did not settle: ${JSON.stringify(peers.map(({ target, serving }) => ({ target, serving })))}`);
    await pause(200);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const ratio = (part: number, whole: number): number => Number((part / whole).toFixed(4));
const print = (line: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify({ bench: "bytes", ...line }));
