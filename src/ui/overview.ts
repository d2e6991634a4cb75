// What a page knows about the swarm from outside, before it joins. Plain data.
import type { RelayOverview, RelayState } from "../node/face.ts";

/** What a page knows about the swarm from outside. */
export interface Overview {
  readonly relay: RelayState;
  /** The operator's list, the best first. */
  readonly models: RelayOverview["models"];
  /** Undefined until the relay has replied once. */
  readonly peers: RelayOverview["peers"] | undefined;
}

export const UNKNOWN: Overview = {
  relay: { kind: "connecting", name: undefined, retryInMs: undefined },
  models: [],
  peers: undefined,
};
