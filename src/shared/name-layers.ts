// Layers of a model in words, for sentences.
import type { Span } from "./ids.ts";

/**
 * `layer 3`, `layers 0 to 2 and layers 5 to 7`: the last layer is named, although spans are half-open. Empty without
 * spans.
 */
export const nameLayers = (spans: readonly Span[]): string =>
  spans.map(({ start, end }) => (end - start === 1 ? `layer ${start}` : `layers ${start} to ${end - 1}`)).join(" and ");
