// Brings the weights of one span into memory, each tile checked, from the store where they are and else from the source.
import {
  type ExternalFile,
  joinParts,
  type RowInvariantForm,
  type SpanPlan,
  type SpanSource,
  type SplitSpan,
} from "../protocol/span-plan.ts";
import { shrinkableBytes, toHex } from "../shared/bytes.ts";
import type { Clock } from "../shared/clock.ts";
import { errorMessage, ManyhandsError } from "../shared/errors.ts";
import type { ModelId, Span } from "../shared/ids.ts";
import { type Log, silentLog } from "../shared/log.ts";
import { planConversion } from "./cut/convert-weights.ts";
import { cutSpan, type SpanCut, type SpanWeight } from "./cut/cut-span.ts";
import { type CuttableModel, readCuttableModel } from "./cut/cuttable-model.ts";
import { type Manifest, type ManifestTensor, TILE_BYTES } from "./tiles/manifest.ts";
import type { GraphProto } from "./graph/onnx_pb.ts";
import { readOnnx } from "./graph/read-onnx.ts";
import { RateMeter } from "./tiles/rate-meter.ts";
import { makeRowInvariant } from "./rows/row-invariant.ts";
import { hasSha256 } from "./tiles/sha256.ts";
import { splitSpan } from "./cut/split-span.ts";
import type { TileRange, TileSource } from "./tiles/tile-source.ts";
import type { TileStore } from "./tiles/tile-store.ts";
import type { TileTally } from "./tiles/tile-tally.ts";
import { layersOfWeights } from "./cut/layers-of-weights.ts";

const DEFAULTS = Object.freeze({
  /** Tiles read from the store at once: the next is on its way from the disk while one is checked. */
  storeReads: 4,
  /** Tiles on their way to the store at once. A tab that dies loses these; with a store as quick as the network it is one. */
  storeWrites: 4,
  /** Milliseconds without any of them getting there, after which loading goes on and leaves tiles out of the store. */
  storeMs: 15_000,
});

/** Bytes of weights on their way. */
export interface SpanProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Of `doneBytes`: came from the store. */
  readonly fromCacheBytes: number;
  /** Over the last seconds; 0 until known. */
  readonly bytesPerSecond: number;
}

export interface LoadSpanOptions {
  readonly model: ModelId;
  readonly manifest: Manifest;
  /** The verified bytes of the manifest's graph file. */
  readonly graph: Uint8Array;
  readonly span: Span;
  readonly source: TileSource;
  readonly store: TileStore;
  readonly clock: Pick<Clock, "now">;
  /** Counts what was checked and where it came from. */
  readonly tally?: TileTally;
  /** Called at the start, after every tile, and at the end. */
  readonly onProgress?: (progress: SpanProgress) => void;
  /** Told when the store fails: loading goes on without it. */
  readonly log?: Log;
  readonly signal: AbortSignal;
}

/** One tile and where in memory it belongs. */
interface Place {
  readonly range: TileRange;
  /** Part of the tensor's buffer. */
  readonly target: Uint8Array<ArrayBuffer>;
}

/** The span in parts of a few layers (see splitSpan), with all its weights, or nothing. Throws as loadSpan. */
export async function loadSplitSpan(options: LoadSpanOptions): Promise<SplitSpan> {
  const model = readCuttableModel(options.graph);
  return joinParts(await loadParts(options, model, splitSpan(model, options), shrinkableBytes));
}

/**
 * The span with all its weights, or nothing. Every tensor is allocated once; tiles are copied into place as they come.
 * Throws MODEL_CORRUPT where bytes do not match their hash or a file is cut short, MODEL_UNAVAILABLE where the source
 * cannot be reached, MODEL_UNSUPPORTED where the graph cannot be cut there, or the signal's reason.
 */
export async function loadSpan(options: LoadSpanOptions): Promise<SpanSource> {
  const model = readCuttableModel(options.graph);
  const cut = cutSpan(model, options.span, { model: options.model, contextLength: options.manifest.contextLength });
  const [source] = await loadParts(options, model, [cut], (length) => new Uint8Array(length));
  return source as SpanSource; // one for each cut
}

/** Weights of every part in buffers of their own; what several parts read is fetched once and shared. */
async function loadParts(
  options: LoadSpanOptions,
  model: CuttableModel,
  cuts: readonly SpanCut[],
  allocate: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<SpanSource[]> {
  const { manifest, signal } = options;
  signal.throwIfAborted();
  const tensors = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor]));
  const layersOf = layersOfWeights(model, options.span);
  const forms = cuts.map(({ graph, plan }) => rowInvariantForm(graph, plan));
  const readers = countReaders(cuts.map(({ graph }) => graph));
  const rowReaders = countReaders(forms.flatMap((form) => (form.kind === "graph" ? [form.graph] : [])));
  const held = new Map<string, Uint8Array<ArrayBuffer>>();
  const places: Place[] = [];
  for (const weight of cuts.flatMap(({ weights }) => weights)) {
    if (held.has(weight.tensor)) continue;
    const tensor = matchTensor(manifest, tensors.get(weight.tensor), weight);
    const data = allocate(tensor.length);
    held.set(weight.tensor, data);
    const layers = layersOf.get(weight.tensor) ?? [];
    tensor.tiles.forEach((sha256, index) => {
      const target = data.subarray(index * TILE_BYTES, Math.min((index + 1) * TILE_BYTES, tensor.length));
      places.push({
        range: { file: weight.source.file, offset: tensor.offset + index * TILE_BYTES, length: target.byteLength, sha256, layers },
        target,
      });
    });
  }
  const progress = new Progress(
    options,
    places.reduce((sum, place) => sum + place.range.length, 0),
  );
  const missing = await readStored(options, places, progress);
  await fetchMissing(options, missing, progress);
  return cuts.map(({ plan, graph, weights }, index) => {
    const externalData = weights.map(({ path, tensor }): ExternalFile => {
      const data = held.get(tensor) as Uint8Array<ArrayBuffer>; // every weight of every cut is held
      return { path, data, readOnce: readers.get(tensor) === 1 && (rowReaders.get(tensor) ?? 1) === 1 };
    });
    return { plan, graph, externalData, converted: planConversion(graph), rowInvariant: forms[index] };
  });
}

function rowInvariantForm(graph: Uint8Array, plan: SpanPlan): RowInvariantForm {
  const form = makeRowInvariant(graph, plan);
  return form.kind === "graph" ? { ...form, converted: planConversion(form.graph) } : form;
}

/** How many nodes of all graphs read each tensor; what a subgraph reads counts as many. */
function countReaders(graphs: readonly Uint8Array[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const count = (graph: GraphProto, weight: number): void => {
    for (const node of graph.node) {
      for (const name of node.input) counts.set(name, (counts.get(name) ?? 0) + weight);
      for (const { g, graphs: all } of node.attribute) for (const inner of [...(g === undefined ? [] : [g]), ...all]) count(inner, 2);
    }
  };
  for (const bytes of graphs) count(readOnnx(bytes).graph, 1);
  return counts;
}

/** The manifest's word on a weight that the graph refers to. */
function matchTensor(manifest: Manifest, tensor: ManifestTensor | undefined, { tensor: name, source }: SpanWeight): ManifestTensor {
  if (
    tensor === undefined ||
    manifest.dataFiles[tensor.file]?.path !== source.file ||
    tensor.offset !== source.offset ||
    tensor.length !== source.length
  ) {
    throw new ManyhandsError("MODEL_CORRUPT", `the model's graph and its manifest do not agree on "${name}"`);
  }
  return tensor;
}

/** Fills what the store has, several tiles at a time; answers the places that it could not. */
async function readStored(
  { store, tally, log = silentLog, signal }: LoadSpanOptions,
  places: readonly Place[],
  progress: Progress,
): Promise<Place[]> {
  const missing = new Set(places);
  const waiting = places.values();
  const readOn = async (): Promise<void> => {
    for (const place of waiting) {
      signal.throwIfAborted();
      const { sha256, length, file, offset } = place.range;
      try {
        const stored = await store.get(toHex(sha256));
        if (stored === undefined) continue;
        if (stored.byteLength === length && (await hasSha256(stored, sha256))) {
          place.target.set(stored);
          missing.delete(place);
          tally?.add({ checked: 1, used: 1, fromStoreBytes: length });
          progress.add(length, true);
          continue;
        }
        tally?.add({ checked: 1, refused: 1 });
        log.warn("a stored tile is corrupt: it is dropped and fetched again", { file, offset });
        await store.delete(toHex(sha256));
      } catch (error) {
        // A full or blocked store costs a download, not the model.
        log.warn("the tile store failed", { reason: errorMessage(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: DEFAULTS.storeReads }, readOn));
  signal.throwIfAborted();
  return [...missing];
}

async function fetchMissing(options: LoadSpanOptions, missing: readonly Place[], progress: Progress): Promise<void> {
  const { source, tally, signal } = options;
  if (missing.length === 0) return;
  const writes = new StoreWrites(options);
  let filled = 0;
  for await (const { index, bytes, checked, done } of source.read(
    missing.map((place) => place.range),
    signal,
  )) {
    signal.throwIfAborted();
    const place = missing[index];
    if (checked !== true) {
      const isRight = place !== undefined && bytes.byteLength === place.range.length && (await hasSha256(bytes, place.range.sha256));
      tally?.add(isRight ? { checked: 1, used: 1, fromOriginBytes: bytes.byteLength } : { checked: 1, refused: 1 });
      if (!isRight) throw new ManyhandsError("MODEL_CORRUPT", `bytes of "${place?.range.file ?? "the model"}" do not match their SHA-256`);
    }
    if (place === undefined) throw new ManyhandsError("MODEL_CORRUPT", "a source gave something that was not asked for");
    place.target.set(bytes);
    filled++;
    progress.add(bytes.byteLength, false);
    await writes.add(toHex(place.range.sha256), bytes, done);
  }
  signal.throwIfAborted();
  if (filled < missing.length) throw new ManyhandsError("MODEL_UNAVAILABLE", "the source ended before all of the model's weights had come");
  await writes.end();
}

/** Tiles on their way to the store while the next ones come in. A store that fails or is slow costs a download next time, not this one. */
class StoreWrites {
  readonly #store: TileStore;
  readonly #log: Log;
  readonly #underWay = new Set<Promise<void>>();
  /** Nothing was written for long: nothing is handed to the store before something is. */
  #isStuck = false;

  constructor({ store, log = silentLog }: LoadSpanOptions) {
    this.#store = store;
    this.#log = log;
  }

  /** Resolves once there is room for another; calls `done` when the store has its own copy. */
  async add(hash: string, bytes: Uint8Array<ArrayBuffer>, done: () => void = () => {}): Promise<void> {
    if (this.#isStuck) {
      done();
      return;
    }
    const write = this.#store
      .put(hash, bytes)
      .catch((error: unknown) => this.#log.warn("a tile could not be stored", { reason: errorMessage(error) }))
      .finally(() => {
        done();
        this.#underWay.delete(write);
        this.#isStuck = false;
      });
    this.#underWay.add(write);
    if (this.#underWay.size < DEFAULTS.storeWrites) return;
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#isStuck = true;
      this.#log.warn("this device's disk is too slow for now: some tiles are not kept");
      patience.resolve();
    }, DEFAULTS.storeMs);
    await Promise.race([...this.#underWay, patience.promise]);
    clearTimeout(timer);
  }

  async end(): Promise<void> {
    if (!this.#isStuck) await Promise.all(this.#underWay);
  }
}

class Progress {
  readonly #options: Pick<LoadSpanOptions, "clock" | "onProgress">;
  readonly #totalBytes: number;
  readonly #rate = new RateMeter();
  #doneBytes = 0;
  #fromCacheBytes = 0;

  constructor(options: Pick<LoadSpanOptions, "clock" | "onProgress">, totalBytes: number) {
    this.#options = options;
    this.#totalBytes = totalBytes;
    this.add(0, true);
  }

  add(bytes: number, fromCache: boolean): void {
    this.#doneBytes += bytes;
    if (fromCache) this.#fromCacheBytes += bytes;
    this.#rate.note(this.#options.clock.now(), this.#doneBytes);
    this.#options.onProgress?.({
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      fromCacheBytes: this.#fromCacheBytes,
      bytesPerSecond: this.#rate.bytesPerSecond,
    });
  }
}
