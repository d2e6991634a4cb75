// What a node shows of itself, as plain data. It is the lowest file of src/node: every other one may use its words.
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

/** An error as a person reads it. The message says what happened, what was kept, and what to do next. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What lending does now. */
export type LendState =
  | { readonly kind: "off" }
  /** Runtime and mesh start, or the node waits to learn what the swarm needs. */
  | { readonly kind: "joining"; readonly step: string }
  | { readonly kind: "loading"; readonly span: Span; readonly progress: LoadProgress }
  /** All bytes are here; the runtime builds the span and tests itself. */
  | { readonly kind: "preparing"; readonly span: Span }
  | { readonly kind: "serving"; readonly span: Span; readonly backend: Backend; readonly moving: LoadProgress | undefined }
  /** This tab only computes tasks: the relay offers no model, or this device has no room for one layer of it. */
  | { readonly kind: "tasks-only"; readonly why: "no-model" | "no-room" }
  | { readonly kind: "failed"; readonly problem: Problem };

export interface RelayState {
  readonly kind: "connecting" | "connected" | "lost";
  /** The operator's name for the relay; undefined until the relay has replied. */
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
  /** The span that it holds or loads; undefined until it has chosen one. */
  readonly span: Span | undefined;
  readonly serving: boolean;
  readonly sessions: number;
  readonly tokensServed: number;
  readonly layerMs: number | undefined;
}

export interface ServedCounts {
  /** Positions computed since the page was opened, for other peers and this one. */
  readonly tokens: number;
  readonly sessions: number;
  /** Frames that were refused because they made no sense. */
  readonly refusedFrames: number;
}

export const NOTHING_SERVED: ServedCounts = Object.freeze({ tokens: 0, sessions: 0, refusedFrames: 0 });

/** What this tab does with tasks of other peers. */
export interface ServedTasks {
  /** Whether it accepts them now. */
  readonly isOn: boolean;
  /** Tasks that are computed here now, this tab's own included. */
  readonly running: number;
  /** Tasks of others that were computed since the page was opened, with or without success. */
  readonly done: number;
  readonly refused: number;
  /** Microcredits that its receipts are worth by the price list; the account says what the ledger paid for them. */
  readonly earnedMicro: number;
}

export const NO_TASKS_SERVED: ServedTasks = Object.freeze({ isOn: false, running: 0, done: 0, refused: 0, earnedMicro: 0 });

/** Bytes of weights that a browser keeps until its person chooses: three small models, or one of 300 M parameters. */
export const DEFAULT_KEEP_BYTES = 1024 ** 3;

export interface NodeState {
  readonly self: PeerId | undefined;
  readonly relay: RelayState;
  /** The models that the operator offers, the best first; empty until this tab has joined. */
  readonly models: readonly ModelOffer[];
  /** What the swarm does with each of them now. */
  readonly standings: readonly ModelStanding[];
  /** The model that was lent or asked last: `swarm` and `gaps` are about it. */
  readonly model: ModelOffer | undefined;
  readonly lend: LendState;
  /** Share of this tab's compute time that may be lent, 0.1 to 1. */
  readonly share: number;
  readonly backendChoice: BackendChoice;
  /** Bytes of weights that this browser keeps between visits, for all models together. */
  readonly keepBytes: number;
  readonly swarm: readonly SwarmPeer[];
  /** Layers that nobody serves now, as spans. */
  readonly gaps: readonly Span[];
  readonly served: ServedCounts;
  readonly servedTasks: ServedTasks;
  /** This tab's account at the relay; undefined until this tab has joined. */
  readonly credit: CreditState | undefined;
  /** The jobs of this tab, of this visit and of earlier ones, the newest first. */
  readonly jobs: readonly JobView[];
  /**
   * Sentences that a person should read while everything goes on: storage is blocked, WebGPU failed its self-test, …
   */
  readonly notices: readonly string[];
}

/** What this browser lacks, found out before anything is loaded. Empty if it lacks nothing. */
export interface Capability {
  readonly missing: readonly {
    readonly name: string;
    readonly why: string;
    readonly whatToDo: string;
    readonly blocks: "lending" | "everything" | "nothing";
  }[];
}

/** What the relay says about itself and its swarm over HTTP, for a page that has not joined. */
export interface RelayOverview {
  readonly name: string;
  readonly models: readonly ModelOffer[];
  /** Peers of all models. */
  readonly peers: readonly (SwarmPeer & { readonly model: ModelId })[];
}
