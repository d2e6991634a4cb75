// Tasks that this tab computes for others, and how its work gains trust, in words. Pure. The widget does not load it.
import type { ServedTasks } from "../../node/face.ts";
import { REPUTATION } from "../../shared/reputation.ts";
import { formatCredits } from "../credit/credit-words.ts";
import { plural } from "../parts/format.ts";

/** Returns what this tab does with the tasks of others, in one to three sentences. */
export function servedTasksSentence({ isOn, running, refused, earnedMicro }: ServedTasks): string {
  const now = running > 0 ? `Computing ${plural(running, "task")} now.` : "Tasks are computed between prompts; none now.";
  return [
    isOn ? now : "No tasks are taken now.",
    ...(earnedMicro > 0 ? [`Receipts for ${formatCredits(earnedMicro)} credits so far; the account below says what came of them.`] : []),
    ...(refused > 0 ? [`${plural(refused, "task", "tasks")} could not be computed here.`] : []),
  ].join(" ");
}

/** Says why a lender is checked, and how that changes. */
export const TRUST_WORDS = `Newcomers are always checked: each tab that asks for work has a second tab compute it too, until ${REPUTATION.always} of your results in a row were right for that tab. From then on it checks now and then, but never less than ${Math.round(100 * REPUTATION.floor)} times in 100. After one wrong result it all starts anew, for every kind of task, and the credit that waits in escrow is lost.`;
