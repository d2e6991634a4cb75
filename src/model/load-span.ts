// Brings the weights of one span into memory, each tile checked, from the store where they are and else from the source.
import type { SpanSource } from "../protocol/span-plan.ts";
import { toHex } from "../shared/bytes.ts";
import type { Clock } from "../shared/clock.ts";
import { errorMessage, ManyhandsError } from "../shared/errors.ts";
import type { ModelId, Span } from "../shared/ids.ts";
import { type Log, silentLog } from "../shared/log.ts";
import { planConversion } from "./convert-weights.ts";
import { cutSpan, type SpanWeight } from "./cut-span.ts";
import { readCuttableModel } from "./cuttable-model.ts";
import { type Manifest, type ManifestTensor, TILE_BYTES } from "./manifest.ts";
import { RateMeter } from "./rate-meter.ts";
import { hasSha256 } from "./sha256.ts";
import type { TileRange, TileSource } from "./tile-source.ts";
import type { TileStore } from "./tile-store.ts";

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

/**
 * The span with all its weights, or nothing. Every tensor is allocated once; tiles are copied into place as they come.
 * Throws MODEL_CORRUPT where bytes do not match their hash or a file is cut short, MODEL_UNAVAILABLE where the source
 * cannot be reached, MODEL_UNSUPPORTED where the graph cannot be cut there, or the signal's reason.
 */
export async function loadSpan(options: LoadSpanOptions): Promise<SpanSource> {
  const { manifest, signal } = options;
  signal.throwIfAborted();
  const { plan, graph, weights } = cutSpan(readCuttableModel(options.graph), options.span, {
    model: options.model,
    contextLength: manifest.contextLength,
  });
  const tensors = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor]));
  const externalData: { path: string; data: Uint8Array<ArrayBuffer> }[] = [];
  const places: Place[] = [];
  for (const weight of weights) {
    const tensor = matchTensor(manifest, tensors.get(weight.tensor), weight);
    const data = new Uint8Array(tensor.length);
    externalData.push({ path: weight.path, data });
    tensor.tiles.forEach((sha256, index) => {
      const target = data.subarray(index * TILE_BYTES, Math.min((index + 1) * TILE_BYTES, tensor.length));
      places.push({
        range: { file: weight.source.file, offset: tensor.offset + index * TILE_BYTES, length: target.byteLength, sha256 },
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
  return { plan, graph, externalData, converted: planConversion(graph) };
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

/** Fills what the store has; answers the places that it could not. */
async function readStored(
  { store, log = silentLog, signal }: LoadSpanOptions,
  places: readonly Place[],
  progress: Progress,
): Promise<Place[]> {
  const missing: Place[] = [];
  for (const place of places) {
    signal.throwIfAborted();
    const { sha256 } = place.range;
    try {
      const stored = await store.get(toHex(sha256));
      if (stored?.byteLength === place.range.length && (await hasSha256(stored, sha256))) {
        place.target.set(stored);
        progress.add(place.range.length, true);
        continue;
      }
      if (stored !== undefined) {
        log.warn("a stored tile is corrupt: it is dropped and fetched again", { file: place.range.file, offset: place.range.offset });
        await store.delete(toHex(sha256));
      }
    } catch (error) {
      // A full or blocked store costs a download, not the model.
      log.warn("the tile store failed", { reason: errorMessage(error) });
    }
    missing.push(place);
  }
  return missing;
}

async function fetchMissing(
  { source, store, log = silentLog, signal }: LoadSpanOptions,
  missing: readonly Place[],
  progress: Progress,
): Promise<void> {
  if (missing.length === 0) return;
  let filled = 0;
  for await (const { index, bytes } of source.read(
    missing.map((place) => place.range),
    signal,
  )) {
    signal.throwIfAborted();
    const place = missing[index];
    if (place === undefined || bytes.byteLength !== place.range.length || !(await hasSha256(bytes, place.range.sha256))) {
      throw new ManyhandsError("MODEL_CORRUPT", `bytes of "${place?.range.file ?? "the model"}" do not match their SHA-256`);
    }
    place.target.set(bytes);
    filled++;
    progress.add(bytes.byteLength, false);
    try {
      await store.put(toHex(place.range.sha256), bytes);
    } catch (error) {
      log.warn("a tile could not be stored", { reason: errorMessage(error) });
    }
  }
  signal.throwIfAborted();
  if (filled < missing.length) throw new ManyhandsError("MODEL_UNAVAILABLE", "the source ended before all of the model's weights had come");
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
