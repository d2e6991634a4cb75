// Tiles from every source that has them: peers first, several at once, and an origin for
// the rest. Every tile is checked.
import { DistrustedSources } from "./distrusted-sources.ts";
import { SwarmRead, type SwarmReadOptions } from "./swarm-read.ts";
import type { TileRange, TileRead, TileSource } from "./tile-source.ts";
import { readTwinsOnce } from "./twin-tiles.ts";

export type SwarmTileSourceOptions = Omit<SwarmReadOptions, "distrusted" | "ranges">;

/**
 * Verifies each tile that it yields (`checked`), because it has to know who sent a wrong one. A peer that did is not
 * asked again; an origin that did is left alone for the rest of a read and asked last in the next.
 */
export class SwarmTileSource implements TileSource {
  readonly #options: SwarmTileSourceOptions;
  readonly #distrusted = new DistrustedSources();

  constructor(options: SwarmTileSourceOptions) {
    this.#options = options;
  }

  /**
   * Throws MODEL_CORRUPT if every copy that was found is wrong, MODEL_UNAVAILABLE if none
   * was found, or the signal's reason.
   */
  read(ranges: readonly TileRange[], signal: AbortSignal): AsyncIterable<TileRead> {
    return readTwinsOnce(ranges, (single) => new SwarmRead({ ...this.#options, distrusted: this.#distrusted, ranges: single }).run(signal));
  }
}
