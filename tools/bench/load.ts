// Time until a span is ready to serve, against plain fetch of the same bytes and creating the session; and the memory at its peak.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { findModels } from "../../relay/models.ts";
import { startRelay } from "../../relay/relay.ts";
import { loadSpan } from "../../src/model/load-span.ts";
import { decodeManifest, type Manifest } from "../../src/model/manifest.ts";
import { MemoryTileStore } from "../../src/model/memory-tile-store.ts";
import { coalesce } from "../../src/model/http-tile-source.ts";
import type { TileRange, TileRead, TileSource } from "../../src/model/tile-source.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asModelId, asPeerId } from "../../src/shared/ids.ts";
import { launchBrowser, Tab } from "../browser/tabs.ts";
import { type Hub, startHub } from "../hub/hub-server.ts";
import { FolderTileSource } from "../model/model-folder.ts";
import { HUB_MODEL, HUB_SHAPES, hubModel } from "./hub-model.ts";
import { type PlainFile, type PlainPage, servePlainPage } from "./plain-load.ts";
import { announceStandIn } from "./stand-in.ts";
import { rendererMemory } from "./renderer-memory.ts";
import { spread } from "./spread.ts";

const SITE = path.resolve(import.meta.dirname, "../../dist");

const DEFAULTS = Object.freeze({
  rounds: "5",
  /** Bytes a second from the hub: a line of 200 Mbit/s. 0 is as fast as the machine goes. */
  rate: "25000000",
  /** Layers of twelve. */
  layers: "4",
});

interface Sample {
  readonly ms: number;
  /** Bytes of the renderer above what it had before, at the highest. */
  readonly peakBytes: number;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: DEFAULTS.rounds },
      rate: { type: "string", default: DEFAULTS.rate },
      layers: { type: "string", default: DEFAULTS.layers },
    },
  });
  const scratch = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
  const models: Record<string, string> = {};
  const hub = await startHub({ models, bytesPerSecond: Number(values.rate) });
  const served = await hubModel({ shape: HUB_SHAPES.twelveLayers, url: hub.folderOf(HUB_MODEL), folder: path.join(scratch, "model") });
  models[HUB_MODEL] = served.files;
  const manifest = decodeManifest(served.bytes);
  const layers = Number(values.layers);
  const bench = new LoadBench(manifest, served.id, served.folder, hub, scratch, layers);
  const plain = await servePlainPage(await bench.plainSpan(served.files));
  try {
    const [ours, others] = await bench.compare(Number(values.rounds), plain);
    const [oursMs, plainMs] = [spread(ours.map(({ ms }) => ms)), spread(others.map(({ ms }) => ms))];
    const weights = bench.weightBytes;
    print({
      case: "time",
      weightBytes: weights,
      bytesPerSecond: Number(values.rate),
      readyMs: oursMs,
      plainMs,
      ratio: ratio(oursMs.median, plainMs.median),
    });
    const fixed = await bench.fixedBytes();
    const peak = (samples: readonly Sample[]) => spread(samples.map(({ peakBytes }) => (peakBytes - fixed) / weights));
    // The page's code and the runtime take the same whatever the span: measured with a model of 8 MB, and taken off.
    print({ case: "memory", weightBytes: weights, fixedBytes: fixed, peakToWeights: peak(ours), plainPeakToWeights: peak(others) });
  } finally {
    await plain.stop();
    await hub.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

class LoadBench {
  weightBytes = 0;
  readonly #manifest: Manifest;
  readonly #model: string;
  readonly #folder: string;
  readonly #hub: Hub;
  readonly #scratch: string;
  readonly #span: { readonly start: number; readonly end: number };

  constructor(manifest: Manifest, model: string, folder: string, hub: Hub, scratch: string, layers: number) {
    this.#manifest = manifest;
    this.#model = model;
    this.#folder = folder;
    this.#hub = hub;
    this.#scratch = scratch;
    const start = Math.min(4, manifest.layerCount - layers);
    this.#span = { start, end: start + layers };
  }

  /** What the plain page fetches: the span's graph, and where the bytes of each of its files lie. */
  async plainSpan(files: string): Promise<{ readonly graph: Uint8Array; readonly files: readonly PlainFile[]; readonly url: string }> {
    const ranges: TileRange[] = [];
    const folder = new FolderTileSource(files);
    const source: TileSource = {
      async *read(asked, signal): AsyncGenerator<TileRead> {
        ranges.push(...asked);
        yield* folder.read(asked, signal);
      },
    };
    const { graph, externalData } = await loadSpan({
      model: asModelId(this.#model),
      manifest: this.#manifest,
      graph: new Uint8Array(await readFile(path.join(files, this.#manifest.graph.path))),
      span: this.#span,
      source,
      store: new MemoryTileStore({ budgetBytes: 0 }),
      clock: systemClock,
      signal: new AbortController().signal,
    });
    this.weightBytes = externalData.reduce((sum, { data }) => sum + data.byteLength, 0);
    // Tiles of one weight follow each other: their first one says where it begins.
    const starts: TileRange[] = [];
    let at = 0;
    for (const { data } of externalData) {
      starts.push(ranges[at] as TileRange); // every weight has a tile
      for (let left = data.byteLength; left > 0; at++) left -= ranges[at]?.length ?? left;
    }
    const whole = coalesce(ranges, { gapBytes: 4096, requestBytes: Infinity });
    return {
      graph,
      url: this.#hub.folderOf(HUB_MODEL),
      files: externalData.map(({ path: name, data }, index) => {
        const { file, offset } = starts[index] as TileRange; // one for each
        const group = whole.find((entry) => entry.file === file && entry.start <= offset && offset < entry.end);
        return { name, file, offset, length: data.byteLength, groupStart: group?.start ?? 0, groupEnd: group?.end ?? 0 };
      }),
    };
  }

  /** Rounds of both, one after the other, so that a busy minute of the machine falls on both alike; a browser for each. */
  async compare(rounds: number, plain: PlainPage): Promise<readonly [Sample[], Sample[]]> {
    const ours: Sample[] = [];
    const others: Sample[] = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await this.#ours(String(round)));
      others.push(await this.#plain(plain));
      console.error(
        `round ${round + 1}: ${ours.at(-1)?.ms.toFixed(0)} ms against ${others.at(-1)?.ms.toFixed(0)} ms, ` +
          `${((ours.at(-1)?.peakBytes ?? 0) / this.weightBytes).toFixed(2)} times the weights against ${((others.at(-1)?.peakBytes ?? 0) / this.weightBytes).toFixed(2)}`,
      );
    }
    return [ours, others];
  }

  /** What a tab takes for holding next to nothing: the page, the mesh and the runtime. */
  async fixedBytes(): Promise<number> {
    const { summary } = (await findModels(SITE, []))[0] ?? {};
    const { peakBytes } = await this.#ours("fixed", []);
    return peakBytes - (summary?.sizeBytes ?? 0);
  }

  async #ours(name: string, models: readonly string[] = [this.#folder]): Promise<Sample> {
    const relay = await startRelay({ port: 0, data: path.join(this.#scratch, `relay-${name}`), models: [...models] });
    const browser = await launchBrowser();
    try {
      const { layerCount } = this.#manifest;
      const others = [
        { start: 0, end: this.#span.start },
        { start: this.#span.end, end: layerCount },
      ].filter(({ start, end }) => start < end);
      for (const [index, span] of models.length > 0 ? others.entries() : []) {
        const stand = asPeerId(`12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT${index + 1}`);
        announceStandIn(relay, this, stand, asModelId(this.#model), span);
      }
      const tab = await Tab.open(browser, relay.url);
      const memory = await rendererMemory(browser);
      await tab.lend();
      const ms = await tab.page.evaluate(() => {
        const at = (name: string): number => performance.getEntriesByName(name).at(-1)?.startTime ?? Number.NaN;
        return at("manyhands:serving") - at("manyhands:load-started");
      });
      return { ms, peakBytes: await memory.peakBytes() };
    } finally {
      await browser.close();
      await relay.stop();
    }
  }

  async #plain(plain: PlainPage): Promise<Sample> {
    const browser: Browser = await launchBrowser();
    try {
      const page = await (await browser.newContext()).newPage();
      await page.goto(plain.url);
      const memory = await rendererMemory(browser);
      const ms = await page.evaluate(() => (globalThis as unknown as { readonly load: () => Promise<number> }).load());
      return { ms, peakBytes: await memory.peakBytes() };
    } finally {
      await browser.close();
    }
  }
}

const ratio = (part: number, whole: number): number => Number((part / whole).toFixed(3));
const print = (line: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify({ bench: "load", ...line }));
