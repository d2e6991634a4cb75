// Tasks that this tab computes for others, and how its work comes to be trusted, in words. Pure; the widget does without.
import type { ServedTasks } from "../../node/face.ts";
import { REPUTATION } from "../../shared/reputation.ts";
import { formatCredits } from "../credit/credit-words.ts";
import { plural } from "../parts/format.ts";

/** What this tab does with tasks of others, in one sentence. */
export function lentTasksSentence({ isOn, running, refused, earnedMicro }: ServedTasks): string {
  const now = running > 0 ? `Computing ${plural(running, "task")} now.` : "Tasks are computed between prompts; none now.";
  return [
    isOn ? now : "No tasks are taken now.",
    ...(earnedMicro > 0 ? [`Receipts for ${formatCredits(earnedMicro)} credits so far; the account below says what came of them.`] : []),
    ...(refused > 0 ? [`${plural(refused, "task", "tasks")} could not be computed here.`] : []),
  ].join(" ");
}

/** Why somebody who lends is checked, and how that changes. */
export const TRUST_WORDS = `Newcomers are always checked: everybody who asks for work has it done by a second tab too until ${REPUTATION.always} of your results in a row were right there, then now and then, never less than ${Math.round(100 * REPUTATION.floor)} of 100 times. One wrong result, and it starts anew for every kind of task; what was earned and waits in escrow is lost.`;
