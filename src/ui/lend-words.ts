// The states of lending as sentences, shared by the page and the widget. Pure.
import { type LendState, type LentTasks, REPUTATION } from "../node/handle.ts";
import type { Span } from "../shared/ids.ts";
import { formatLayers, plural } from "./format.ts";

const BACKEND_NAMES = { wasm: "WebAssembly", webgpu: "WebGPU" } as const;

/** What the tab does now, in one sentence. */
export function lendSentence(lend: LendState): string {
  switch (lend.kind) {
    case "off":
      return "Off. Nothing is computed here for others.";
    case "joining":
      return `Joining: ${lend.step}.`;
    case "loading":
      return `Fetching ${formatLayers(lend.span)}.`;
    case "preparing":
      return `Preparing ${formatLayers(lend.span)} and testing them.`;
    case "serving":
      return `Serving ${formatLayers(lend.span)} with ${BACKEND_NAMES[lend.backend]}.${lend.moving === undefined ? "" : " Moving to where the swarm needs it more."}`;
    case "tasks-only":
      return lend.why === "no-model"
        ? "Taking tasks. This relay offers no model, so no layers are held here."
        : "Taking tasks. No layer of the model fits this device.";
    case "failed":
      return lend.problem.message;
  }
}

/** What this tab does with tasks of others, in one sentence. */
export function lentTasksSentence({ isOn, running, refused }: LentTasks): string {
  if (!isOn) return "No tasks are taken now.";
  const now = running > 0 ? `Computing ${plural(running, "task")} now` : "Tasks are computed between prompts; none now";
  return refused > 0 ? `${now}. ${plural(refused, "task was", "tasks were")} handed back.` : `${now}.`;
}

/** Why somebody who lends is checked, and how that changes. */
export const TRUST_WORDS = `Newcomers are always checked: everybody who asks for work has it done by a second tab too until ${REPUTATION.always} of your results in a row were right there, then now and then, never less than ${Math.round(100 * REPUTATION.floor)} of 100 times. One wrong result, and it starts anew for every kind of task; what was earned and waits in escrow is lost.`;

/** The span that is held or fetched, if any. */
export function heldSpan(lend: LendState): Span | undefined {
  return "span" in lend ? lend.span : undefined;
}

/** On, as a switch shows it: from the wish to lend until it is taken back. */
export const isOn = (lend: LendState): boolean => lend.kind !== "off" && lend.kind !== "failed";
