// Fills buffers with the tiles that belong there, each checked: from the tile store if it
// has them, else from the source.
import { settlesWithin } from "../../shared/abort.ts";
import { toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { type Log, silentLog } from "../../shared/log.ts";
import type { LoadProgress } from "../../shared/progress.ts";
import { RateMeter } from "./rate-meter.ts";
import { hasSha256 } from "./sha256.ts";
import type { TileRange, TileSource } from "./tile-source.ts";
import type { TileStore } from "./tile-store.ts";
import type { TileTally } from "./tile-tally.ts";

const DEFAULTS = Object.freeze({
  /** Tiles read from the store at once: the disk already reads the next while one is checked. */
  storeReads: 4,
  /**
   * Tiles on their way to the store at once. A tab that dies loses these; with a store as
   * fast as the network it is one.
   */
  storeWrites: 4,
  /** Milliseconds without any of them being written, after which loading goes on and leaves tiles out of the store. */
  storeMs: 15_000,
});

/** One tile and the part of a tensor's buffer that it fills. */
export interface TileTarget {
  readonly range: TileRange;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Bytes of tiles on their way. */
export type TileProgress = Omit<LoadProgress, "memoryBytes">;

export interface LoadTilesOptions {
  readonly source: TileSource;
  readonly store: TileStore;
  readonly clock: Clock;
  /** Counts the tiles that were checked, and where they came from. */
  readonly tally?: TileTally;
  /** Called at the start, after every tile, and at the end. */
  readonly onProgress?: (progress: TileProgress) => void;
  /** Says when the store fails: loading goes on without it. */
  readonly log?: Log;
  readonly signal: AbortSignal;
}

/**
 * Resolves once every target is filled. Throws MODEL_CORRUPT if bytes do not match their hash or a file is cut short,
 * MODEL_UNAVAILABLE if the source cannot be reached, or the signal's reason.
 */
export async function loadTiles(targets: readonly TileTarget[], options: LoadTilesOptions): Promise<void> {
  const totalBytes = targets.reduce((sum, { range }) => sum + range.length, 0);
  const progress = new Progress(options, totalBytes);
  const missing = await readStored(options, targets, progress);
  await fetchMissing(options, missing, progress);
}

/** Fills what the store has, several tiles at a time; returns the targets that it could not fill. */
async function readStored(
  { store, tally, log = silentLog, signal }: LoadTilesOptions,
  targets: readonly TileTarget[],
  progress: Progress,
): Promise<TileTarget[]> {
  const missing = new Set(targets);
  const waiting = targets.values();
  const readOn = async (): Promise<void> => {
    for (const target of waiting) {
      signal.throwIfAborted();
      const { sha256, length, file, offset } = target.range;
      try {
        const stored = await store.get(toHex(sha256));
        if (stored === undefined) continue;
        if (stored.byteLength === length && (await hasSha256(stored, sha256))) {
          target.bytes.set(stored);
          missing.delete(target);
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

async function fetchMissing(options: LoadTilesOptions, missing: readonly TileTarget[], progress: Progress): Promise<void> {
  const { source, tally, signal } = options;
  if (missing.length === 0) return;
  const writes = new StoreWrites(options);
  let filled = 0;
  for await (const { index, bytes, checked, done } of source.read(
    missing.map(({ range }) => range),
    signal,
  )) {
    signal.throwIfAborted();
    const target = missing[index];
    if (checked !== true) {
      const isRight = target !== undefined && bytes.byteLength === target.range.length && (await hasSha256(bytes, target.range.sha256));
      tally?.add(isRight ? { checked: 1, used: 1, fromOriginBytes: bytes.byteLength } : { checked: 1, refused: 1 });
      if (!isRight) throw new ManyhandsError("MODEL_CORRUPT", `bytes of "${target?.range.file ?? "the model"}" do not match their SHA-256`);
    }
    if (target === undefined) throw new ManyhandsError("MODEL_CORRUPT", "a source gave something that was not asked for");
    target.bytes.set(bytes);
    filled++;
    progress.add(bytes.byteLength, false);
    await writes.add(toHex(target.range.sha256), bytes, done);
  }
  signal.throwIfAborted();
  if (filled < missing.length) throw new ManyhandsError("MODEL_UNAVAILABLE", "the source ended before all of the model's weights had come");
  await writes.end();
}

/**
 * Tiles on their way to the store while the next ones come in. If the store fails or is
 * slow, the next load downloads these tiles again; this load goes on.
 */
class StoreWrites {
  readonly #store: TileStore;
  readonly #clock: Pick<Clock, "sleep">;
  readonly #log: Log;
  readonly #underWay = new Set<Promise<void>>();
  /** The store has written nothing for a long time: it gets no more tiles until a write ends. */
  #isStuck = false;

  constructor({ store, clock, log = silentLog }: LoadTilesOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves once another tile may be added. Calls `done` when the store has its own copy. */
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
    if (await settlesWithin(Promise.race(this.#underWay), DEFAULTS.storeMs, this.#clock)) return;
    this.#isStuck = true;
    this.#log.warn("this device's disk is too slow for now: some tiles are not kept");
  }

  async end(): Promise<void> {
    if (!this.#isStuck) await Promise.all(this.#underWay);
  }
}

class Progress {
  readonly #options: Pick<LoadTilesOptions, "clock" | "onProgress">;
  readonly #totalBytes: number;
  readonly #rate = new RateMeter();
  #doneBytes = 0;
  #fromCacheBytes = 0;

  constructor(options: Pick<LoadTilesOptions, "clock" | "onProgress">, totalBytes: number) {
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
