// Tiles from whoever has them: peers first, several at once, and the origin for what no peer has. Everything is checked.
import { SwarmRead } from "./swarm-read.ts";
import { Refusals, type SwarmTileSourceOptions } from "./distrusted-sources.ts";
import type { TileRange, TileRead, TileSource } from "./tile-source.ts";
import { readTwinsOnce } from "./twin-tiles.ts";

/**
 * Verifies what it yields (`checked`): it has to know who sent a wrong tile. A peer that did is not asked again; an origin
 * that did is left for the rest of a read and asked last in the next.
 */
export class SwarmTileSource implements TileSource {
  readonly #options: SwarmTileSourceOptions;
  readonly #refusals = new Refusals();

  constructor(options: SwarmTileSourceOptions) {
    this.#options = options;
  }

  /** Throws MODEL_CORRUPT where the only copies to be had are wrong, MODEL_UNAVAILABLE where none can be had, or the signal's reason. */
  read(ranges: readonly TileRange[], signal: AbortSignal): AsyncIterable<TileRead> {
    return readTwinsOnce(ranges, (single) => new SwarmRead({ ...this.#options, refusals: this.#refusals, ranges: single }).run(signal));
  }
}
