// What a node shows of itself, as plain data: the lowest words of this room, which every other file in it may use.
import type { CreditState } from "../credit/account-keeper.ts";
import type { ModelOffer } from "../model/model-summary.ts";
import type { ModelStanding } from "../route/plan-model.ts";
import type { ErrorCode } from "../shared/errors.ts";
import type { ModelId, PeerId, Span } from "../shared/ids.ts";
import type { LoadProgress } from "../shared/progress.ts";
import type { JobView } from "../tasks/jobs/job.ts";

export type Backend = "wasm" | "webgpu";
export type BackendChoice = "auto" | Backend;
export type HostKind = "page" | "widget" | "volunteer";

/** An error as a person reads it: what happened, what was kept, what to do next. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Assignments: what this tab does for others. */
export type LendState =
  | { readonly kind: "off" }
  /** Runtime and mesh are being started, or the node waits to learn what the swarm needs. */
  | { readonly kind: "joining"; readonly step: string }
  | { readonly kind: "loading"; readonly span: Span; readonly progress: LoadProgress }
  /** Bytes are here; the runtime builds the span and tests itself. */
  | { readonly kind: "preparing"; readonly span: Span }
  | { readonly kind: "serving"; readonly span: Span; readonly backend: Backend; readonly moving: LoadProgress | undefined }
  /** No layers are held here, tasks are taken: the relay offers no model, or this device has no room for a layer of it. */
  | { readonly kind: "tasks-only"; readonly why: "no-model" | "no-room" }
  | { readonly kind: "failed"; readonly problem: Problem };

export interface RelayState {
  readonly kind: "connecting" | "connected" | "lost";
  /** What the operator calls the relay; undefined until it answered. */
  readonly name: string | undefined;
  /** When `lost`: milliseconds until the next try. */
  readonly retryInMs: number | undefined;
}

/** One peer as the picture of the swarm shows it. */
export interface SwarmPeer {
  readonly peer: PeerId;
  readonly isSelf: boolean;
  readonly host: HostKind;
  readonly backend: Backend;
  /** What it holds or is loading; undefined while it has not chosen. */
  readonly span: Span | undefined;
  readonly serving: boolean;
  readonly sessions: number;
  readonly tokensServed: number;
  readonly layerMs: number | undefined;
}

export interface ServedCounts {
  /** Positions computed for others and oneself since the page was opened. */
  readonly tokens: number;
  readonly sessions: number;
  /** Frames refused, by reason: a peer's garbage. */
  readonly refusedFrames: number;
}

export const NOTHING_SERVED: ServedCounts = Object.freeze({ tokens: 0, sessions: 0, refusedFrames: 0 });

/** What this tab does with tasks of others. */
export interface ServedTasks {
  /** Whether they are taken now. */
  readonly isOn: boolean;
  /** Computed here now, this tab's own among them. */
  readonly running: number;
  /** Computed for others since the page was opened, and handed back or failed. */
  readonly done: number;
  readonly refused: number;
  /** Microcredits of the receipts for it, by the price list; the account says what the ledger made of them. */
  readonly earnedMicro: number;
}

export const NO_TASKS_SERVED: ServedTasks = Object.freeze({ isOn: false, running: 0, done: 0, refused: 0, earnedMicro: 0 });

export interface NodeState {
  readonly self: PeerId | undefined;
  readonly relay: RelayState;
  /** What the operator offers, the best first; empty until joined. */
  readonly models: readonly ModelOffer[];
  /** What the swarm does with each of them now. */
  readonly standings: readonly ModelStanding[];
  /** The model that was lent or asked last: the one that `swarm` and `gaps` speak of. */
  readonly model: ModelOffer | undefined;
  readonly lend: LendState;
  /** Share of this tab's compute time that may be lent, 0.1 to 1. */
  readonly share: number;
  readonly backendChoice: BackendChoice;
  /** Bytes of weights that this browser keeps between visits, all models together. */
  readonly keepBytes: number;
  readonly swarm: readonly SwarmPeer[];
  /** Layers that nobody serves now, as spans. */
  readonly gaps: readonly Span[];
  readonly served: ServedCounts;
  readonly servedTasks: ServedTasks;
  /** This tab's account at the relay; undefined until joined. */
  readonly credit: CreditState | undefined;
  /** What this tab asked others to compute, newest first: of this visit and of earlier ones. */
  readonly jobs: readonly JobView[];
  /** Things a person should know while all goes on: storage blocked, WebGPU refused by its self-test, … */
  readonly notices: readonly string[];
}

/** What this browser lacks, found before anything is loaded. Empty when all is there. */
export interface Capability {
  readonly missing: readonly {
    readonly name: string;
    readonly why: string;
    readonly whatToDo: string;
    readonly blocks: "lending" | "everything" | "nothing";
  }[];
}

/** What the relay says of itself and its swarm over plain HTTP, for a page that has not joined. */
export interface RelayOverview {
  readonly name: string;
  readonly models: readonly ModelOffer[];
  /** Peers of all models. */
  readonly peers: readonly (SwarmPeer & { readonly model: ModelId })[];
}
