// All that the page shows except answers: from the node, the relay's overview and the person's choices. Pure.
import type { FolderHandle, LendState, NodeState, Problem, RelayState, SwarmPeer } from "../node/face.ts";
import { NO_TASKS_SERVED, NOTHING_SERVED } from "../node/state.ts";
import type { ModelId } from "../shared/ids.ts";
import type { Choices } from "./choices.ts";
import { type ModelsView, viewModels } from "./models/models-view.ts";
import type { Overview } from "./overview.ts";
import { layoutSwarm } from "./swarm/swarm-layout.ts";

type FromNode = Pick<NodeState, "relay" | "model" | "lend" | "gaps" | "served" | "servedTasks" | "credit" | "jobs" | "notices">;

export interface View extends ModelsView, Choices, FromNode {
  readonly joined: boolean;
  /** Undefined until the relay's overview or the node knows it. */
  readonly swarm: readonly SwarmPeer[] | undefined;
  /** Folders that the person opened, by model. */
  readonly folders: ReadonlyMap<ModelId, Pick<FolderHandle, "name">>;
}

/** What a page knows about lending until its node is made: whether it is wanted, or why the node could not be made. */
export type LendBefore = "off" | "wanted" | Problem;

/** What a page knows: from its node, and from elsewhere. */
export interface Known extends Pick<View, "folders"> {
  /** Undefined while there is no node. */
  readonly state: NodeState | undefined;
  readonly overview: Overview;
  readonly choices: Choices;
  readonly lendBefore: LendBefore;
  /** Set while the node's code waits for a relay that does not reply. */
  readonly away: RelayState | undefined;
}

export function viewNode({ state, overview, choices, lendBefore, away, folders }: Known): View {
  const joined = state?.self !== undefined;
  const { models, standings, asked } = viewModels(state, overview, choices.askWish);
  const model = state?.model ?? asked;
  // A node that has just started knows less of the swarm than the overview, which is shown until it knows more.
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
    lend: state?.lend ?? viewLendBefore(lendBefore, away),
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

function viewLendBefore(lendBefore: LendBefore, away: RelayState | undefined): LendState {
  if (lendBefore === "off") return { kind: "off" };
  if (lendBefore !== "wanted") return { kind: "failed", problem: lendBefore };
  return { kind: "joining", step: away ? "Waiting for the relay, which does not answer" : "Loading what lending needs" };
}
