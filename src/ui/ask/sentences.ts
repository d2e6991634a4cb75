// Cuts a growing text into whole sentences, so that a screen reader hears sentences and not tokens. Pure.

/**
 * The part of `text` after `from` that ends with the last finished sentence; empty while none is finished.
 * A sentence is finished when its stop is followed by white space, since "3.5" or "Mr" may still go on.
 */
export function finishedSentences(text: string, from: number): string {
  const rest = text.slice(from);
  const stops = [...rest.matchAll(/[.!?…]["'”’)]*(?=\s)|\n/gu)];
  const last = stops.at(-1);
  return last === undefined ? "" : rest.slice(0, last.index + last[0].length);
}
