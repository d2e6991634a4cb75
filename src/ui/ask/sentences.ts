// Cuts a growing text into whole sentences, so that a screen reader hears sentences and not tokens. Pure.

/**
 * Returns the part of `text` from character `from` to the end of the last finished sentence; empty if none is finished.
 * A sentence is finished if white space follows its stop, since "3.5" or "Mr" may still go on.
 */
export function finishedSentences(text: string, from: number): string {
  const rest = text.slice(from);
  const stops = [...rest.matchAll(/[.!?…]["'”’)]*(?=\s)|\n/gu)];
  const last = stops.at(-1);
  return last === undefined ? "" : rest.slice(0, last.index + last[0].length);
}
