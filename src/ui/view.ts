// Everything but the answer that the page shows, put together from the node, the relay's overview and what the person chose. Pure.
import type { FolderHandle, LendState, NodeState, RelayState, SwarmPeer } from "../node/face.ts";
import { NO_TASKS_SERVED, NOTHING_SERVED } from "../node/state.ts";
import type { ModelId } from "../shared/ids.ts";
import type { Choices } from "./choices.ts";
import { type ModelsView, viewModels } from "./models/models-view.ts";
import type { Overview } from "./overview.ts";
import { layoutSwarm } from "./swarm/swarm-layout.ts";

type Told = Pick<NodeState, "relay" | "model" | "lend" | "gaps" | "served" | "servedTasks" | "credit" | "jobs" | "notices">;

export interface View extends ModelsView, Choices, Told {
  readonly joined: boolean;
  /** Undefined until the relay or the swarm told. */
  readonly swarm: readonly SwarmPeer[] | undefined;
  /** Folders that the person opened, by model. */
  readonly folders: ReadonlyMap<ModelId, Pick<FolderHandle, "name">>;
}

/** What a page knows of its node, and beside it. */
export interface Known extends Pick<View, "folders"> {
  /** Undefined while there is no node. */
  readonly state: NodeState | undefined;
  readonly overview: Overview;
  readonly choices: Choices;
  /** What the page says of lending while there is no node to say it. */
  readonly lendHere: LendState;
  /** While the node's code waits for a relay that does not answer. */
  readonly away: RelayState | undefined;
}

export function viewNode({ state, overview, choices, lendHere, away, folders }: Known): View {
  const joined = state?.self !== undefined;
  const { models, standings, asked } = viewModels(state, overview, choices.askWish);
  const model = state?.model ?? asked;
  // A node that has only just started knows less than the relay told before: show what is known.
  const swarm =
    joined && (state.swarm.length > 0 || state.relay.kind === "connected")
      ? state.swarm
      : overview.peers?.filter((peer) => peer.model === model?.id);
  return {
    joined,
    ...choices,
    relay: state !== undefined && (joined || state.relay.kind === "lost") ? state.relay : (away ?? overview.relay),
    models,
    standings,
    model,
    asked,
    lend: state === undefined || (state.lend.kind === "off" && lendHere.kind !== "off") ? lendHere : state.lend,
    share: state?.share ?? choices.share,
    backendChoice: state?.backendChoice ?? choices.backendChoice,
    swarm,
    gaps: state !== undefined && swarm === state.swarm ? state.gaps : layoutSwarm(swarm ?? [], model?.layerCount ?? 0).gaps,
    served: state?.served ?? NOTHING_SERVED,
    servedTasks: state?.servedTasks ?? NO_TASKS_SERVED,
    credit: state?.credit,
    jobs: state?.jobs ?? [],
    notices: state?.notices ?? [],
    folders,
  };
}
