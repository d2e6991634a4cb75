// The node's public face: plain data and a few verbs. The page and the widget see this and nothing behind it.
import type { ErrorCode } from "../shared/errors.ts";
import type { CreditState } from "../credit/account-keeper.ts";
import type { Prompt } from "../inference/encode-prompt.ts";
import type { GenerateEvent, GenerateOptions } from "../inference/generate-event.ts";
import type { FolderHandle } from "../model/folder-handle.ts";
import type { ModelOffer } from "../model/model-summary.ts";
import type { ModelReason, ModelStanding } from "../route/plan-model.ts";
import type { ModelId, PeerId, Span, WorkId } from "../shared/ids.ts";
import type { LoadProgress } from "../shared/progress.ts";
import type { Account } from "../protocol/credit-frames.ts";
import type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../tasks/asked-kinds.ts";
import type { MapOptions, ProgramOptions } from "../tasks/map-stream.ts";
import type { ModelTiles } from "../tasks/kinds/ml-inference.ts";
import type { TaskRequest, WorkIdOf, WorkView } from "../tasks/work.ts";

export type { EndReason, GenerateEvent, GenerateOptions, GenerateStats, RouteHop } from "../inference/generate-event.ts";
export type { Prompt } from "../inference/encode-prompt.ts";
export type { ChatMessage } from "../model/chat-message.ts";
export type { ModelOffer } from "../model/model-summary.ts";
export type { ModelReason, ModelStanding } from "../route/plan-model.ts";
export { pickForPrompt, SOLO_BYTES, standingOf } from "../route/plan-model.ts";
export { mostBytes, unpackedTimes } from "../model/most-bytes.ts";
export { CATALOG, type CatalogEntry, type Device, estimateSizes, layersThatFit } from "../model/catalog.ts";
export type { FolderHandle } from "../model/folder-handle.ts";
export type { LoadProgress } from "../shared/progress.ts";
export type { CreditState } from "../credit/account-keeper.ts";
export type { Account, HistoryRow } from "../protocol/credit-frames.ts";
export type { WorkId } from "../shared/ids.ts";
/** @public */
export type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../tasks/asked-kinds.ts";
/** @public */
export type { MapOptions, ProgramOptions } from "../tasks/map-stream.ts";
/** @public */
export type { TaskRequest, WorkIdOf, WorkState, WorkView } from "../tasks/work.ts";
/** @public */
export type { HashData } from "../tasks/kinds/hash.ts";
/** @public */
export type { MapData } from "../tasks/kinds/map.ts";
/** @public */
export type { MlInferenceData, ModelTiles, Tensor, Tensors } from "../tasks/kinds/ml-inference.ts";
/** @public */
export type { Matrix, MultiplyData, Product } from "../tasks/kinds/multiply.ts";
/** @public */
export { DEFAULTS as SQUARES, drawSquare, type Picture, squaresOf } from "../tasks/squares.ts";
/** @public */
export type { SortData, Sorted } from "../tasks/kinds/sort.ts";
/** @public */
export type { SumData } from "../tasks/kinds/sum.ts";
/** @public */
export type { Material, Scene } from "../tasks/render-scene.ts";
/** @public */
export type { Program } from "../tasks/sandbox.ts";

export type Backend = "wasm" | "webgpu";
export type BackendChoice = "auto" | Backend;
export type HostKind = "page" | "widget" | "volunteer";

/** An error as a person reads it: what happened, what was kept, what to do next. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Lending: what this tab does for others. */
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
export interface LentTasks {
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

export const NOTHING_LENT: LentTasks = Object.freeze({ isOn: false, running: 0, done: 0, refused: 0, earnedMicro: 0 });

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
  readonly lentTasks: LentTasks;
  /** This tab's account at the relay; undefined until joined. */
  readonly credit: CreditState | undefined;
  /** What this tab asked others to compute, newest first: of this visit and of earlier ones. */
  readonly works: readonly WorkView[];
  /** Things a person should know while all goes on: storage blocked, WebGPU refused by its self-test, … */
  readonly notices: readonly string[];
}

export interface AskOptions extends GenerateOptions {
  /** Which model to ask; undefined leaves the choice to what the swarm serves now. */
  readonly model: ModelId | undefined;
}

export type AskEvent =
  | GenerateEvent
  /** Which model answers, and why that one. */
  | { readonly kind: "chosen"; readonly model: ModelOffer; readonly reason: ModelReason };

/** A peer in this tab. Nothing is loaded, computed or announced before `lend(true)` or the first `generate`. */
export interface Node {
  readonly state: NodeState;
  /** Called after every change of `state`, at most ten times a second. Answers the function that stops listening. */
  subscribe(listener: (state: NodeState) => void): () => void;
  /** Starts or stops lending. Never throws: failures show in `state.lend`. */
  lend(on: boolean): Promise<void>;
  setShare(share: number): void;
  setBackend(choice: BackendChoice): void;
  /** Bytes of weights to keep between visits; what was used longest ago goes first. */
  setKeepBytes(bytes: number): void;
  /** A folder that a person opened: the weights of `model` are read from it before any server is asked. A notice tells whether it is of use. */
  mountFolder(model: ModelId, folder: FolderHandle): void;
  /** Which model to lend; undefined lends what helps the swarm most. A tab that lends another one changes over. */
  setLendModel(model: ModelId | undefined): void;
  /**
   * Streams an answer to a text that is gone on with or to a conversation. Throws BAD_INPUT, PROMPT_TOO_LONG, NO_ROUTE, PEER_LOST, MODEL_CORRUPT, MODEL_UNAVAILABLE,
   * RELAY_UNREACHABLE or ENGINE_FAILED as a ManyhandsError whose message is fit for a person; the signal's reason
   * when stopped. What was yielded before stays valid.
   */
  generate(prompt: Prompt, options?: Partial<AskOptions>, signal?: AbortSignal): AsyncIterable<AskEvent>;
  /** Joins now; everything else here does so by itself. Answers this peer's id. Throws RELAY_UNREACHABLE after a while. */
  join(): Promise<PeerId>;
  /**
   * Has a work computed by volunteers and this tab. Resolves once it is kept: a reload goes on with it. Throws BAD_INPUT with
   * what to change, or RELAY_UNREACHABLE.
   */
  distributeTask<Kind extends TaskKindName>(request: TaskRequest<Kind>): Promise<WorkIdOf<Kind>>;
  /**
   * Keeps an ONNX model in this browser as tiles that works of kind `ml_inference` can name; whoever computes them fetches them
   * here, and from each other. Throws BAD_INPUT or RELAY_UNREACHABLE.
   */
  keepModel(bytes: Uint8Array): Promise<ModelTiles>;
  /** The value. Throws BAD_INPUT, TASK_FAILED or TIMEOUT as the work did, or the signal's reason. */
  waitForResult<Kind extends TaskKindName>(id: WorkIdOf<Kind>, signal?: AbortSignal): Promise<TaskValueByKind[Kind]>;
  /**
   * Tells of each settled part by its place, those of before first; a part that a liar had settled may come again. Answers the
   * function that stops it. Throws BAD_INPUT where there is no such work.
   */
  watchParts(id: WorkId, onPart: (at: number, output: Uint8Array<ArrayBuffer>, count: number) => void): () => void;
  /** What a work was asked with. Throws BAD_INPUT where it is not kept. */
  taskData<Kind extends TaskKindName>(id: WorkIdOf<Kind>): Promise<TaskDataByKind[Kind]>;
  /** Stops a work; what was settled is kept, and answers the same work when it is asked again. */
  cancelTask(id: WorkId): void;
  /** Stops it, and forgets its data and results. */
  forgetTask(id: WorkId): Promise<void>;
  /**
   * Values for many inputs as they come, in their order or in that of their arrival, taking new inputs only as the values are
   * read. For `map` an input is one of the program's, for other kinds the data of one work. Leaving the loop gives up the rest.
   * Throws what `distributeTask` and `waitForResult` throw, and what the inputs throw.
   */
  map(kind: "map", inputs: Iterable<unknown> | AsyncIterable<unknown>, options: ProgramOptions): AsyncIterable<unknown>;
  map<Kind extends Exclude<TaskKindName, "map">>(
    kind: Kind,
    inputs: Iterable<TaskDataByKind[Kind]> | AsyncIterable<TaskDataByKind[Kind]>,
    options?: MapOptions,
  ): AsyncIterable<TaskValueByKind[Kind]>;
  /** This peer's account, as the relay tells it. Throws RELAY_UNREACHABLE or LEDGER_UNAVAILABLE. */
  getBalance(signal?: AbortSignal): Promise<Account>;
  /** Leaves the swarm and frees everything. Idempotent. */
  stop(): Promise<void>;
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
