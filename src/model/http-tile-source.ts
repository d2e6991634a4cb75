// Tiles from a web server by HTTP Range: neighbours in one request, several requests at once.
import { ManyhandsError } from "../shared/errors.ts";
import { type HttpDeps, httpGet } from "./http-fetch.ts";
import type { TileRange, TileRead, TileSource } from "./tile-source.ts";

const DEFAULTS = Object.freeze({
  /** Bytes between two ranges that are fetched along rather than asked around: a request costs more (measured: docs of the runtime). */
  gapBytes: 4 * 1024,
  /** Bytes of one request at most: the step in which progress is seen, and what a broken connection loses. */
  requestBytes: 2 * 1024 * 1024,
  /** Requests in flight: browsers allow six to a host over HTTP/1.1, and the page needs some of them. */
  parallel: 3,
});

/** Neighbouring ranges of one file, to be fetched together. */
export interface RangeGroup {
  readonly file: string;
  /** Bytes `[start, end)` of the file. */
  readonly start: number;
  readonly end: number;
  /** Indices into the ranges. */
  readonly members: readonly number[];
}

/** Groups ranges so that neighbours share a request. Pure; every range is in exactly one group. */
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

export interface HttpTileSourceOptions extends HttpDeps {
  /** URL of the model's folder, ending in a slash. */
  readonly baseUrl: string;
}

/** A server that ignores Range and answers 200 is understood: the whole file is then read once and cut up. */
export class HttpTileSource implements TileSource {
  readonly #options: HttpTileSourceOptions;

  constructor(options: HttpTileSourceOptions) {
    this.#options = options;
  }

  async *read(ranges: readonly TileRange[], signal: AbortSignal): AsyncGenerator<TileRead> {
    const groups = coalesce(ranges);
    const whole = new Map<string, Uint8Array<ArrayBuffer>>();
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const inFlight = new Map<RangeGroup, Promise<{ group: RangeGroup; bytes: Uint8Array<ArrayBuffer> }>>();
    const waiting = groups.values();
    // The first answer tells whether the server knows ranges: only then are several asked for.
    let limit = 1;
    try {
      for (;;) {
        while (inFlight.size < limit) {
          const { value: group } = waiting.next();
          if (group === undefined) break;
          inFlight.set(
            group,
            this.#fetch(group, whole, both).then((bytes) => ({ group, bytes })),
          );
        }
        if (inFlight.size === 0) return;
        const { group, bytes } = await Promise.race(inFlight.values());
        inFlight.delete(group);
        limit = DEFAULTS.parallel;
        for (const index of group.members) {
          const { offset, length } = ranges[index] as TileRange; // members are indices into ranges
          yield { index, bytes: bytes.subarray(offset - group.start, offset - group.start + length) };
        }
      }
    } finally {
      stop.abort();
      // What is still under way ends by the abort; its rejection has no reader any more.
      await Promise.allSettled(inFlight.values());
    }
  }

  /** The bytes of one group. */
  async #fetch(group: RangeGroup, whole: Map<string, Uint8Array<ArrayBuffer>>, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const { file, start, end } = group;
    const held = whole.get(file);
    if (held !== undefined) return cut(held, group);
    const { status, bytes } = await httpGet(this.#options, new URL(file, this.#options.baseUrl).href, { start, end }, signal);
    if (status === 200) {
      whole.set(file, bytes);
      return cut(bytes, group);
    }
    if (status === 416 || bytes.byteLength !== end - start) throw cutShort(file);
    return bytes;
  }
}

function cut(bytes: Uint8Array<ArrayBuffer>, { file, start, end }: RangeGroup): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength < end) throw cutShort(file);
  return bytes.subarray(start, end);
}

const cutShort = (file: string): ManyhandsError => new ManyhandsError("MODEL_CORRUPT", `"${file}" is cut short`);
