// Tiles from a web server by HTTP Range: neighbours share a request, and each tile is
// yielded as soon as its last byte is here.
import type { Clock } from "../../shared/clock.ts";
import { errorCode, ManyhandsError } from "../../shared/errors.ts";
import { HTTP_DEFAULTS, type HttpOptions, type HttpResponse, httpChunks, httpOpen, pauseMs } from "./http-fetch.ts";
import { TILE_BYTES } from "./manifest.ts";
import type { TileRange, TileRead, TileSource } from "./tile-source.ts";

const DEFAULTS = Object.freeze({
  /**
   * Two ranges with at most this many bytes between them share a request, and the bytes between are fetched as well: a
   * second request costs more (measured: docs of the runtime).
   */
  gapBytes: 4 * 1024,
  /**
   * The most bytes of one request. Requests run one after the other and their bodies are read as streams: that keeps a
   * connection full, and a broken connection or a closed tab loses only the tile that was under way.
   */
  requestBytes: 64 * 1024 * 1024,
  /** Buffers of tiles that are kept for later tiles: as many as are checked, copied and stored at once. */
  freeBuffers: 16,
});

/** Neighbouring ranges of one file, to be fetched by one request. */
export interface RangeGroup {
  readonly file: string;
  /** Bytes `[start, end)` of the file. */
  readonly start: number;
  readonly end: number;
  /** Indices of the ranges, by offset. */
  readonly members: readonly number[];
}

/** Groups ranges so that neighbours share a request. Every range is in exactly one group. Pure. */
export function coalesce(
  ranges: readonly TileRange[],
  options: { readonly gapBytes: number; readonly requestBytes: number } = DEFAULTS,
): RangeGroup[] {
  const at = (index: number): TileRange => ranges[index] as TileRange; // indices come from `ranges`
  const order = ranges
    .map((_, index) => index)
    .toSorted((a, b) => (at(a).file < at(b).file ? -1 : at(a).file > at(b).file ? 1 : at(a).offset - at(b).offset));
  const groups: (RangeGroup & { end: number; members: number[] })[] = [];
  for (const index of order) {
    const { file, offset, length } = at(index);
    const end = offset + length;
    const last = groups.at(-1);
    if (last?.file === file && offset <= last.end + options.gapBytes && Math.max(end, last.end) - last.start <= options.requestBytes) {
      last.end = Math.max(end, last.end);
      last.members.push(index);
    } else {
      groups.push({ file, start: offset, end, members: [index] });
    }
  }
  return groups;
}

export interface HttpTileSourceOptions extends HttpOptions {
  /** URL of the model's folder, ending in a slash. */
  readonly baseUrl: string;
}

/**
 * Also understands a server that ignores Range and replies with 200: one pass over the file then gives all ranges of a
 * `read`, and nothing after the last of them is fetched. The platform follows redirects.
 */
export class HttpTileSource implements TileSource {
  readonly #options: HttpTileSourceOptions;
  readonly #buffers = new TileBuffers();
  #wholeFiles = false;

  constructor(options: HttpTileSourceOptions) {
    this.#options = options;
  }

  get wholeFiles(): boolean {
    return this.#wholeFiles;
  }

  async *read(ranges: readonly TileRange[], signal: AbortSignal): AsyncGenerator<TileRead> {
    const missing = new Set(ranges.keys());
    for (let failures = 0; missing.size > 0;) {
      const before = missing.size;
      const indices = [...missing];
      const left = indices.map((index) => ranges[index] as TileRange); // indices into `ranges`
      try {
        for await (const read of this.#pass(left, signal)) {
          const given = indices[read.index] as number; // indices of `left` are indices of `indices`
          missing.delete(given);
          yield { ...read, index: given };
        }
      } catch (error) {
        signal.throwIfAborted();
        // httpOpen has already retried. A body that broke off is requested again, from the place where it broke.
        if (errorCode(error) !== "MODEL_UNAVAILABLE" || !(error instanceof BrokenBody)) throw error;
        failures = missing.size < before ? 1 : failures + 1;
        if (failures >= HTTP_DEFAULTS.attempts) throw error;
        await this.#options.clock.sleep(pauseMs(failures, this.#options.random), signal);
      }
    }
  }

  /** Fetches all ranges once. Throws at the first failure. */
  async *#pass(ranges: readonly TileRange[], signal: AbortSignal): AsyncGenerator<TileRead> {
    const done = new Set<number>();
    for (const { file, start, end, members } of coalesce(ranges)) {
      if (members.every((index) => done.has(index))) continue;
      const url = new URL(encodePath(file), this.#options.baseUrl).href;
      const response = await httpOpen(this.#options, url, { start, end }, signal);
      if (response.status === 416) throw cutShort(file);
      const isWhole = response.status === 200;
      if (isWhole) this.#wholeFiles = true;
      // A whole file passes by once: every range of it is read, not only this group.
      const wanted = isWhole ? [...ranges.keys()].filter((index) => ranges[index]?.file === file) : members;
      for await (const read of cutBody(response, isWhole ? 0 : start, wanted, ranges, this.#buffers, this.#options.clock, signal)) {
        done.add(read.index);
        yield read;
      }
    }
  }
}

/**
 * Reuses the memory of tiles: buffers that are merely dropped pile up until a garbage collection, which may come late.
 */
class TileBuffers {
  readonly #free: ArrayBuffer[] = [];

  acquire(length: number): Uint8Array<ArrayBuffer> {
    const buffer = length <= TILE_BYTES ? (this.#free.pop() ?? new ArrayBuffer(TILE_BYTES)) : new ArrayBuffer(length);
    return new Uint8Array(buffer, 0, length);
  }

  release({ buffer }: Uint8Array<ArrayBuffer>): void {
    if (buffer.byteLength === TILE_BYTES && this.#free.length < DEFAULTS.freeBuffers) this.#free.push(buffer);
  }
}

/** A body ended or stalled too early. The same request may continue later. */
class BrokenBody extends ManyhandsError {}

/** Cuts the ranges `wanted` out of a body that begins at byte `start` of its file. */
async function* cutBody(
  response: HttpResponse,
  start: number,
  wanted: readonly number[],
  ranges: readonly TileRange[],
  buffers: TileBuffers,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<TileRead> {
  const at = (index: number): TileRange => ranges[index] as TileRange; // `wanted` are indices into `ranges`
  const waiting = wanted.toSorted((a, b) => at(a).offset - at(b).offset);
  const open: { readonly index: number; readonly bytes: Uint8Array<ArrayBuffer> }[] = [];
  let position = start;
  const chunks = httpChunks(response, clock, signal);
  try {
    for await (const chunk of chunks) {
      const chunkEnd = position + chunk.byteLength;
      for (let next = waiting[0]; next !== undefined && at(next).offset < chunkEnd; next = waiting[0]) {
        waiting.shift();
        open.push({ index: next, bytes: buffers.acquire(at(next).length) });
      }
      for (const { index, bytes } of [...open]) {
        const { offset, length } = at(index);
        const from = Math.max(offset, position);
        const to = Math.min(offset + length, chunkEnd);
        bytes.set(chunk.subarray(from - position, to - position), from - offset);
        if (to < offset + length) continue;
        open.splice(
          open.findIndex((entry) => entry.index === index),
          1,
        );
        yield { index, bytes, done: () => buffers.release(bytes) };
      }
      position = chunkEnd;
      if (waiting.length === 0 && open.length === 0) return;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof ManyhandsError ? new BrokenBody(cause.code, cause.message, { cause }) : cause;
  }
  const first = open[0]?.index ?? waiting[0];
  if (first === undefined) return;
  // The server said how much it would send. If less came, the connection broke; otherwise the file itself is too short.
  const announced = response.headers.get("content-length");
  if (announced !== null && position - start < Number(announced)) throw new BrokenBody("MODEL_UNAVAILABLE", "the connection broke off");
  throw cutShort(at(first).file);
}

const encodePath = (file: string): string => file.split("/").map(encodeURIComponent).join("/");

const cutShort = (file: string): ManyhandsError => new ManyhandsError("MODEL_CORRUPT", `"${file}" is cut short`);
