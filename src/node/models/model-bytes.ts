// A model's weights in this tab: where they come from, which are kept, and how much memory they take.
import type { HttpOptions } from "../../model/tiles/http-fetch.ts";
import { HttpTileSource } from "../../model/tiles/http-tile-source.ts";
import { IdbTileStore } from "../../model/tiles/idb-tile-store.browser.ts";
import { TabTileStore } from "../../model/tiles/tab-tile-store.ts";
import type { BudgetedStore } from "../../model/tiles/tile-store.ts";
import { loadSpan, type LoadSpanOptions, loadSplitSpan } from "../../model/load-span.ts";
import type { Manifest } from "../../model/tiles/manifest.ts";
import { memoryNeed, type MemoryLimits, whyTooLarge } from "../../model/memory-need.ts";
import type { FolderHandle } from "../../model/tiles/folder-handle.ts";
import { MountedTileSource } from "../../model/tiles/mounted-tile-source.ts";
import { MemoryTileStore } from "../../model/tiles/memory-tile-store.ts";
import type { TileOrigin } from "../../model/tiles/tile-source.ts";
import { SwarmTileSource } from "../../model/tiles/swarm-tile-source.ts";
import type { TilePeers } from "../../model/tiles/tile-peers.ts";
import { type TileCounts, TileTally } from "../../model/tiles/tile-tally.ts";
import { joinParts, type SplitSpan } from "../../protocol/span-plan.ts";
import { fromHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, Span } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { LoadProgress } from "../../shared/progress.ts";
import { type BackendChoice, DEFAULT_KEEP_BYTES } from "../state.ts";
import { hasGpuAdapter } from "../platform/has-gpu-adapter.ts";
import { CACHE_BUDGET_BYTES } from "../spans/lender.ts";

const DEFAULTS = Object.freeze({
  /** Bytes kept in memory if storage is blocked: enough to pass fresh tiles on to neighbours, little beside a span. */
  memoryBytes: 64 * 1024 * 1024,
  storeName: "manyhands-tiles",
});

export interface ModelBytesOptions {
  readonly model: ModelId;
  readonly manifest: Manifest;
  /** The verified bytes of the manifest's graph file. */
  readonly graph: Uint8Array;
  /** The relay's folder of the model. */
  readonly http: HttpOptions & { readonly baseUrl: string };
  readonly backend: () => BackendChoice;
  readonly clock: Clock;
  readonly log: Log;
  readonly onNotice: (sentence: string) => void;
}

/** Peers that tiles can come from once `start` has resolved. */
export interface StartablePeers extends TilePeers {
  start(signal: AbortSignal): Promise<void>;
}

export class ModelBytes {
  readonly #options: ModelBytesOptions;
  readonly #tally = new TileTally();
  readonly #limits: MemoryLimits = { cacheBudgetBytes: CACHE_BUDGET_BYTES, deviceBytes: deviceBytes() };
  #origins: readonly TileOrigin[];
  readonly #store: BudgetedStore;
  #peers: StartablePeers | undefined;
  #source: SwarmTileSource;

  private constructor(options: ModelBytesOptions, store: BudgetedStore) {
    this.#options = options;
    this.#origins = originsOf(options);
    this.#source = this.#makeSource();
    this.#store = new TabTileStore({
      store,
      onGained: (hash) => this.#peers?.gained(fromHex(hash)),
      onFull: () =>
        options.onNotice(
          "This browser's storage is full. The layers are loaded all the same, but what does not fit is fetched anew on the next visit. Free some space, or keep fewer weights.",
        ),
      log: options.log,
    });
  }

  static async open(options: ModelBytesOptions): Promise<ModelBytes> {
    return new ModelBytes(options, await openStore(options));
  }

  /** How many tiles came from where, all of them checked. */
  get counts(): TileCounts {
    return this.#tally.counts;
  }

  /** Tiles that this tab can give away. */
  get shelf(): Pick<BudgetedStore, "get"> {
    return this.#store;
  }

  /** From now on tiles come from peers before they come from the origin. */
  usePeers(peers: StartablePeers): void {
    this.#peers = peers;
    this.#source = this.#makeSource();
  }

  /** Reads weights from a folder before any server; each tile is checked. A notice says whether it works. */
  async mount(folder: FolderHandle): Promise<void> {
    const { manifest, onNotice } = this.#options;
    const source = new MountedTileSource(folder);
    const why = await source.whyUnfit(manifest.dataFiles);
    if (why !== undefined) {
      onNotice(
        `The folder was not taken: ${why}. Open the folder that holds "${manifest.dataFiles[0]?.path ?? manifest.graph.path}" of ${manifest.name}.`,
      );
      return;
    }
    this.#origins = [{ name: `the folder "${folder.name}"`, source }, ...originsOf(this.#options)];
    this.#source = this.#makeSource();
    onNotice(`The weights of ${manifest.name} are read from the folder "${folder.name}" first. Each piece is checked before it is used.`);
  }

  setBudget(budgetBytes: number): Promise<void> {
    return this.#store.setBudget(budgetBytes);
  }

  /** Returns the longest part of `span`, from its start, that fits this device; undefined if no layer does. */
  fit(span: Span): Span | undefined {
    for (let { end } = span; end > span.start; end--) {
      if (this.#whyTooLarge({ start: span.start, end }) === undefined) return { start: span.start, end };
    }
    return undefined;
  }

  /**
   * Throws MODEL_UNSUPPORTED for a span that this device cannot hold, and what loading a span throws. The messages say
   * what was kept and what a person can do.
   */
  async loadSpan(span: Span, onProgress: (progress: LoadProgress) => void, signal: AbortSignal): Promise<SplitSpan> {
    const { model, manifest, graph, backend, clock, log } = this.#options;
    const why = this.#whyTooLarge(span);
    if (why !== undefined) {
      throw new ManyhandsError(
        "MODEL_UNSUPPORTED",
        `Layers ${span.start} to ${span.end - 1} are too much for this tab: ${why}. Lend again when more tabs share the model, or choose a smaller one.`,
      );
    }
    performance.mark("manyhands:load-started");
    const memoryBytes = memoryNeed(manifest, span, this.#limits).peakBytes;
    await this.#peers?.start(signal).catch((error: unknown) => {
      signal.throwIfAborted();
      log.warn("no tiles are exchanged with peers", { reason: errorMessage(error) });
    });
    const options: LoadSpanOptions = {
      model,
      manifest,
      graph,
      span,
      source: this.#source,
      store: this.#store,
      tally: this.#tally,
      clock,
      onProgress: (progress) => onProgress({ ...progress, memoryBytes }),
      log,
      signal,
    };
    // In parts, a graphics card would send every hidden state back to the processor, and its runtime leaves no gaps.
    const isWhole = backend() !== "wasm" && (await hasGpuAdapter(navigator.gpu));
    const source = await this.#withAdvice(isWhole ? loadSpan(options).then((whole) => joinParts([whole])) : loadSplitSpan(options));
    performance.mark("manyhands:tiles", { detail: this.counts });
    return source;
  }

  #whyTooLarge(span: Span): string | undefined {
    return whyTooLarge(memoryNeed(this.#options.manifest, span, this.#limits), this.#limits);
  }

  #makeSource(): SwarmTileSource {
    return new SwarmTileSource({
      origins: this.#origins,
      peers: this.#peers,
      tally: this.#tally,
      clock: this.#options.clock,
      log: this.#options.log,
    });
  }

  #withAdvice<T>(work: Promise<T>): Promise<T> {
    const { origin } = this.#options.manifest;
    const owner = origin ? hostOf(origin.url) : undefined;
    return withAdvice(work, owner);
  }
}

/**
 * Settles like `work`, but words a failure to fetch so that it says what was kept and what a person can do. `owner`:
 * the host of a model that is not the relay's own.
 */
export async function withAdvice<T>(work: Promise<T>, owner?: string): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const code = errorCode(cause);
    if (code !== "MODEL_CORRUPT" && code !== "MODEL_UNAVAILABLE") throw cause;
    const whose = owner === undefined ? "The relay's copy of the model" : `The copy of the model at ${owner}`;
    const sentence =
      code === "MODEL_CORRUPT"
        ? `${whose} is damaged: ${errorMessage(cause)}. Nothing damaged is kept or run.`
        : `The model could not be fetched: ${errorMessage(cause)}. What was fetched before is kept.`;
    throw new ManyhandsError(code, `${sentence} Try again in a while; if that does not help, tell the relay's operator.`, { cause });
  }
}

/** The place that the manifest names, and then the relay, which has the data files of its own models. */
function originsOf({ manifest, http }: ModelBytesOptions): TileOrigin[] {
  const relay = { name: "the relay", source: new HttpTileSource(http) };
  if (!manifest.origin) return [relay];
  const { url } = manifest.origin;
  return [{ name: hostOf(url), source: new HttpTileSource({ ...http, baseUrl: url }) }, relay];
}

const hostOf = (url: string): string => new URL(url).host;

/** Coarse on purpose: browsers say 8 GiB at most, and some say nothing. */
function deviceBytes(): number | undefined {
  const { deviceMemory } = navigator as Navigator & { readonly deviceMemory?: number };
  return deviceMemory === undefined ? undefined : deviceMemory * 1024 ** 3;
}

async function openStore({ log, onNotice }: ModelBytesOptions): Promise<BudgetedStore> {
  try {
    return await IdbTileStore.open({ name: DEFAULTS.storeName, budgetBytes: DEFAULT_KEEP_BYTES, now: () => Date.now() });
  } catch (error) {
    log.warn("no tiles are kept when this page closes", { error: String(error) });
    onNotice("This browser blocks storage, so the weights are fetched anew on every visit. A normal (not private) window keeps them.");
    return new MemoryTileStore({ budgetBytes: DEFAULTS.memoryBytes });
  }
}
