// Twin tiles have the same bytes, such as norms that are all ones. They are fetched once
// for all places that need them, whether from a peer or from an origin.
import { toHex } from "../../shared/bytes.ts";
import type { TileRange, TileRead } from "./tile-source.ts";

/**
 * Reads `ranges` through `read`, each content once. A peer that holds a layer of any place of a twin holds the twin.
 */
export async function* readTwinsOnce(
  ranges: readonly TileRange[],
  read: (single: readonly TileRange[]) => AsyncIterable<TileRead>,
): AsyncGenerator<TileRead, void> {
  const places = new Map<string, [number, ...number[]]>();
  for (const [index, { sha256 }] of ranges.entries()) {
    const hash = toHex(sha256);
    const known = places.get(hash);
    if (known === undefined) places.set(hash, [index]);
    else known.push(index);
  }
  const all = [...places.values()];
  for await (const tile of read(all.map((indexes) => merged(indexes.map((index) => ranges[index] as TileRange))))) {
    // A source's indices point into the ranges that it was asked for.
    const [first, ...others] = all[tile.index] as [number, ...number[]];
    // Copied before the first one is yielded: its reader may free it.
    const copies = others.map((index) => ({ index, bytes: tile.bytes.slice(), ...(tile.checked && { checked: tile.checked }) }));
    yield { ...tile, index: first };
    yield* copies;
  }
}

function merged(twins: readonly TileRange[]): TileRange {
  const [first] = twins as [TileRange, ...TileRange[]]; // made with one
  const layers = [...new Set(twins.flatMap((twin) => twin.layers ?? []))];
  return layers.length > 0 ? { ...first, layers } : first;
}
