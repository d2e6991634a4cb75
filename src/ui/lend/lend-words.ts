// The states of lending as sentences, shared by the page and the widget. Pure.
import type { LendState } from "../../node/face.ts";
import type { Span } from "../../shared/ids.ts";
import { formatLayers } from "../parts/format.ts";

const BACKEND_NAMES = { wasm: "WebAssembly", webgpu: "WebGPU" } as const;

/** Returns what the tab does now, in one sentence. */
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

/** Returns the span that is held or fetched, if any. */
export function heldSpan(lend: LendState): Span | undefined {
  return "span" in lend ? lend.span : undefined;
}

/** Whether the switch shows on: from the wish to lend until the person takes it back or lending fails. */
export const isOn = (lend: LendState): boolean => lend.kind !== "off" && lend.kind !== "failed";
