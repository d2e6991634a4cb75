// What a person reads while an answer waits: one sentence for each reason. Pure.
import type { WaitReason } from "../../node/face.ts";
import { nameLayers } from "../../shared/name-layers.ts";

export function waitingWords(reason: WaitReason): string {
  switch (reason.kind) {
    case "joining":
      return "Joining the swarm.";
    case "looking":
      return "Looking for a route.";
    case "listing":
      return "Asking the relay who is there.";
    case "retrying":
      return "A peer left before it could answer. Looking for another route.";
    case "gaps":
      return reason.isMidway ? midwayWords(nameLayers(reason.gaps)) : gapWords(nameLayers(reason.gaps));
    case "loading":
      return LOADING[reason.because];
  }
}

const LOADING = {
  "nobody-lends": "Nobody lends right now, so this tab loads the model and answers by itself.",
  "no-route": "The swarm cannot answer now, so this tab loads the model and answers by itself.",
  "peer-lost": "A tab left and nobody holds its layers, so this tab loads the model and goes on by itself.",
} as const;

const gapWords = (layers: string): string =>
  layers === "" ? "The peers are changing places; waiting for them." : `Nobody serves ${layers} yet; waiting for a tab to take them.`;

const midwayWords = (layers: string): string =>
  layers === "" ? "A tab left; the others are changing places." : `Nobody holds ${layers} now; the answer goes on when somebody joins.`;
