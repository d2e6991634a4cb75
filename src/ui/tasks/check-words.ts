// How results are checked, in plain words, with the numbers that the node goes by. Pure.
import { REPUTATION } from "../../shared/reputation.ts";

const percent = (share: number): string => `${Math.round(100 * share)} of 100`;
const days = Math.round(REPUTATION.halfLifeMs / 86_400_000);

/** For whoever hands work over. */
export const CHECKING: readonly string[] = Object.freeze([
  `A tab that is new to you is always checked: another tab gets the same part, neither sees the other's result before it has committed to its own, and only equal results count.`,
  `After ${REPUTATION.always} right results in a row its work is checked now and then, less often the longer it goes well, but never less than ${percent(REPUTATION.floor)} times; it cannot tell which.`,
  `A wrong result takes all of that trust away, for every kind of task, and what it had computed lately is computed again. A good past fades too: it counts half after ${days} days.`,
]);
