// Time until a span is ready to serve, and peak memory, against plain fetch of its bytes and creation of the session.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { findModels } from "../../relay/models.ts";
import { startRelay } from "../../relay/relay.ts";
import { loadSpan } from "../../src/model/load-span.ts";
import { unpackSpan } from "../../src/engine/dequantize.ts";
import { decodeManifest, type Manifest } from "../../src/model/tiles/manifest.ts";
import { MemoryTileStore } from "../../src/model/tiles/memory-tile-store.ts";
import { coalesce } from "../../src/model/tiles/http-tile-source.ts";
import type { TileRange, TileRead, TileSource } from "../../src/model/tiles/tile-source.ts";
import type { SpanSource } from "../../src/protocol/span-plan.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { asModelId, asPeerId } from "../../src/shared/ids.ts";
import { launchBrowser, Tab } from "../browser/tabs.ts";
import { type Hub, startHub } from "../hub/hub-server.ts";
import { FolderTileSource } from "../model/model-folder.ts";
import { HUB_MODEL, HUB_SHAPES, hubModel } from "./models/hub-model.ts";
import { type PlainPage, type PlainSpan, servePlainPage } from "./parts/plain-load.ts";
import { announceStandIn } from "./parts/stand-in.ts";
import { rendererMemory } from "./parts/renderer-memory.ts";
import { spread } from "./parts/spread.ts";

const SITE = path.resolve(import.meta.dirname, "../../dist");

const DEFAULTS = Object.freeze({
  rounds: "5",
  /** Bytes a second from the hub: a line of 200 Mbit/s. 0 means no limit. */
  rate: "25000000",
});

/** How many layers of which model are loaded. */
const CASES = Object.freeze({
  third: { shape: HUB_SHAPES.twelveLayers, layers: 4 },
  "4-bit": { shape: HUB_SHAPES.twelveLayersOf4Bits, layers: 12 },
  whole: { shape: HUB_SHAPES.fourLayers, layers: 4 },
});

interface Sample {
  readonly ms: number;
  /** The part of `ms` that unpacking weights took. */
  readonly conversionMs: number;
  /** Bytes that the renderer had at its peak, above what it had before. */
  readonly peakBytes: number;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: DEFAULTS.rounds },
      rate: { type: "string", default: DEFAULTS.rate },
      case: { type: "string", default: Object.keys(CASES).join(",") },
    },
  });
  const options = { rounds: Number(values.rounds), rate: Number(values.rate), fixedBytes: await fixedBytes(Number(values.rounds)) };
  for (const name of values.case.split(",")) {
    if (!isCase(name)) throw new Error(`there is no case "${name}", only ${Object.keys(CASES).join(", ")}`);
    await runCase(name, options);
  }
}

const isCase = (name: string): name is keyof typeof CASES => Object.hasOwn(CASES, name);

interface CaseOptions {
  readonly rounds: number;
  /** Bytes a second. */
  readonly rate: number;
  /** Bytes of a tab that holds next to no weights: the page, the mesh and the runtime. */
  readonly fixedBytes: number;
}

async function runCase(name: keyof typeof CASES, { rounds, rate, fixedBytes }: CaseOptions): Promise<void> {
  const scratch = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
  const models: Record<string, string> = {};
  const hub = await startHub({ models, bytesPerSecond: rate });
  const served = await hubModel({ shape: CASES[name].shape, url: hub.folderOf(HUB_MODEL), folder: path.join(scratch, "model") });
  models[HUB_MODEL] = served.files;
  const bench = new LoadBench(decodeManifest(served.bytes), served.id, served.folder, hub, scratch, CASES[name].layers);
  const plain = await servePlainPage(await bench.plainSpan(served.files));
  try {
    const [ours, others] = await bench.compare(rounds, plain);
    const { weightBytes, heldBytes } = bench;
    const loadMs = spread(ours.map(({ ms, conversionMs }) => ms - conversionMs));
    const plainMs = spread(others.map(({ ms }) => ms));
    print({
      case: `time ${name}`,
      weightBytes,
      bytesPerSecond: rate,
      readyMs: spread(ours.map(({ ms }) => ms)),
      conversionMs: spread(ours.map(({ conversionMs }) => conversionMs)),
      loadMs,
      plainMs,
      ratio: ratio(loadMs.median, plainMs.median),
    });
    const peak = (samples: readonly Sample[], bytes: number) => spread(samples.map(({ peakBytes }) => (peakBytes - fixedBytes) / bytes));
    // The page's code and the runtime take the same memory for any span. It is measured with a model of 8 MB and
    // subtracted.
    print({
      case: `memory ${name}`,
      weightBytes,
      heldBytes,
      fixedBytes,
      peakToWeights: peak(ours, heldBytes),
      plainPeakToWeights: peak(others, weightBytes),
    });
  } finally {
    await plain.stop();
    await hub.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Resolves with the bytes of a tab that holds next to no weights: the median of `rounds` with the bundled model, less
 * its bytes.
 */
async function fixedBytes(rounds: number): Promise<number> {
  const { summary } = (await findModels(SITE, []))[0] ?? {};
  const data = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
  const relay = await startRelay({ port: 0, data, models: [] });
  try {
    const peaks: number[] = [];
    for (let round = 0; round < rounds; round++) peaks.push((await lendOnce(relay.url)).peakBytes);
    return spread(peaks).median - (summary?.sizeBytes ?? 0);
  } finally {
    await relay.stop();
    await rm(data, { recursive: true, force: true });
  }
}

/** Opens a tab in a browser of its own, lends, and resolves once the tab serves. */
async function lendOnce(url: string): Promise<Sample> {
  const browser = await launchBrowser();
  try {
    const tab = await Tab.open(browser, url);
    const memory = await rendererMemory(browser);
    await tab.lend();
    const times = await tab.page.evaluate(() => {
      // The tab serves, so both marks are there.
      const mark = (name: string): PerformanceMark => performance.getEntriesByName(name, "mark").at(-1) as PerformanceMark;
      const { conversionMs } = mark("manyhands:serving").detail as { readonly conversionMs: number }; // the detail that our own page sets
      return { ms: mark("manyhands:serving").startTime - mark("manyhands:load-started").startTime, conversionMs };
    });
    return { ...times, peakBytes: await memory.peakBytes() };
  } finally {
    await browser.close();
  }
}

class LoadBench {
  /** Bytes of the span's weights as they are fetched. */
  weightBytes = 0;
  /** Bytes of the span's weights as they are held: 4-bit weights are unpacked. */
  heldBytes = 0;
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

  /**
   * Returns what the plain page fetches: the span's graph, and where the bytes of each of its files are. Unpacked
   * weights are zeros that it has at once.
   */
  async plainSpan(files: string): Promise<PlainSpan> {
    const ranges: TileRange[] = [];
    const folder = new FolderTileSource(files);
    const noted: TileSource = {
      async *read(asked, signal): AsyncGenerator<TileRead> {
        ranges.push(...asked);
        yield* folder.read(asked, signal);
      },
    };
    const source = await loadSpan({
      model: asModelId(this.#model),
      manifest: this.#manifest,
      graph: new Uint8Array(await readFile(path.join(files, this.#manifest.graph.path))),
      span: this.#span,
      source: noted,
      store: new MemoryTileStore({ budgetBytes: 0 }),
      clock: systemClock,
      signal: new AbortController().signal,
    });
    const { externalData, converted } = source;
    const bytesOf = (files: SpanSource["externalData"]): number => files.reduce((sum, { data }) => sum + data.byteLength, 0);
    this.weightBytes = bytesOf(externalData);
    this.heldBytes = bytesOf(unpackSpan(source).externalData);
    // The tiles of a weight follow each other, so the first tile says where the weight begins.
    const starts: TileRange[] = [];
    let at = 0;
    for (const { data } of externalData) {
      starts.push(ranges[at] as TileRange); // every weight has a tile
      for (let left = data.byteLength; left > 0; at++) left -= ranges[at]?.length ?? left;
    }
    const whole = coalesce(ranges, { gapBytes: 4096, requestBytes: Infinity });
    return {
      graph: converted?.graph ?? source.graph,
      unpacked: converted?.conversions.map(({ path: name, rows, columns }) => ({ name, length: 4 * rows * columns })) ?? [],
      url: this.#hub.folderOf(HUB_MODEL),
      files: externalData.map(({ path: name, data }, index) => {
        const { file, offset } = starts[index] as TileRange; // there is one for each weight
        const group = whole.find((entry) => entry.file === file && entry.start <= offset && offset < entry.end);
        return { name, file, offset, length: data.byteLength, groupStart: group?.start ?? 0, groupEnd: group?.end ?? 0 };
      }),
    };
  }

  /** Measures both in turn, so that a busy minute of the machine affects both alike; each in a browser of its own. */
  async compare(rounds: number, plain: PlainPage): Promise<readonly [Sample[], Sample[]]> {
    const ours: Sample[] = [];
    const others: Sample[] = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await this.#ours(String(round)));
      others.push(await this.#plain(plain));
      console.error(
        `round ${round + 1}: ${ours.at(-1)?.ms.toFixed(0)} ms against ${others.at(-1)?.ms.toFixed(0)} ms, ` +
          `${megabytes(ours.at(-1)?.peakBytes)} at the highest against ${megabytes(others.at(-1)?.peakBytes)}`,
      );
    }
    return [ours, others];
  }

  async #ours(name: string): Promise<Sample> {
    const relay = await startRelay({ port: 0, data: path.join(this.#scratch, `relay-${name}`), models: [this.#folder] });
    try {
      const { layerCount } = this.#manifest;
      const others = [
        { start: 0, end: this.#span.start },
        { start: this.#span.end, end: layerCount },
      ].filter(({ start, end }) => start < end);
      for (const [index, span] of others.entries()) {
        const stand = asPeerId(`12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT${index + 1}`);
        announceStandIn(relay, this, stand, asModelId(this.#model), span);
      }
      return await lendOnce(relay.url);
    } finally {
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
      return { ms, conversionMs: 0, peakBytes: await memory.peakBytes() };
    } finally {
      await browser.close();
    }
  }
}

const megabytes = (bytes = Number.NaN): string => `${(bytes / 1e6).toFixed(0)} MB`;
const ratio = (part: number, whole: number): number => Number((part / whole).toFixed(3));
const print = (line: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify({ bench: "load", ...line }));
