// How results are checked, in plain words, with the numbers that the node uses. Pure.
import { REPUTATION } from "../../shared/reputation.ts";

const often = (share: number): string => `${Math.round(100 * share)} times in 100`;
const days = Math.round(REPUTATION.halfLifeMs / 86_400_000);

/** Sentences for a person who hands over a job. */
export const CHECKING: readonly string[] = Object.freeze([
  `A tab that is new to you is always checked: another tab gets the same part, neither sees the other's result before it has committed to its own, and only equal results count.`,
  `After ${REPUTATION.always} right results in a row, its work is checked now and then: less often the longer all goes well, but never less than ${often(REPUTATION.floor)}. The tab cannot know when.`,
  `A wrong result takes all of that trust away, for every kind of task, and the tab's recent work is computed again. A good record fades too: after ${days} days it counts half.`,
]);
