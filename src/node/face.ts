// The node's public face: the verbs of a peer, and the types that they speak in. The page, the widget and programs see this alone.
import type { Prompt } from "../inference/encode-prompt.ts";
import type { GenerateEvent, GenerateOptions } from "../inference/generate-event.ts";
import type { ModelOffer } from "../model/model-summary.ts";
import type { FolderHandle } from "../model/tiles/folder-handle.ts";
import type { Account } from "../protocol/credit-frames.ts";
import type { ModelReason } from "../route/plan-model.ts";
import type { ModelId, PeerId, JobId } from "../shared/ids.ts";
import type { TaskRequest, JobIdOf } from "../tasks/jobs/job.ts";
import type { MapOptions, ProgramOptions } from "../tasks/jobs/map-stream.ts";
import type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../tasks/kinds/asked-kinds.ts";
import type { ModelTiles } from "../tasks/kinds/ml-inference.ts";
import type { BackendChoice, NodeState } from "./state.ts";

export type { EndReason, GenerateEvent, GenerateOptions, GenerateStats, RouteHop, WaitReason } from "../inference/generate-event.ts";
export type { Prompt } from "../inference/encode-prompt.ts";
export type { ChatMessage } from "../model/text/chat-message.ts";
export type { ModelOffer } from "../model/model-summary.ts";
export type { ModelReason, ModelStanding } from "../route/plan-model.ts";
export type { CatalogEntry, Device } from "../model/catalog.ts";
export type { FolderHandle } from "../model/tiles/folder-handle.ts";
export type { LoadProgress } from "../shared/progress.ts";
export type { CreditState } from "../credit/account-keeper.ts";
export type { Account, HistoryRow } from "../protocol/credit-frames.ts";
export type { JobId } from "../shared/ids.ts";
/** @public */
export type { TaskDataByKind, TaskKindName, TaskValueByKind } from "../tasks/kinds/asked-kinds.ts";
/** @public */
export type { MapOptions, ProgramOptions } from "../tasks/jobs/map-stream.ts";
/** @public */
export type { TaskRequest, JobIdOf, JobState, JobView } from "../tasks/jobs/job.ts";
/** @public */
export type { HashData } from "../tasks/kinds/hash.ts";
/** @public */
export type { MapData } from "../tasks/kinds/map.ts";
/** @public */
export type { MlInferenceData, ModelTiles, Tensor, Tensors } from "../tasks/kinds/ml-inference.ts";
/** @public */
export type { Matrix, MultiplyData, Product } from "../tasks/kinds/multiply.ts";
/** @public */
export type { Picture } from "../tasks/kinds/render/squares.ts";
/** @public */
export type { SortData, Sorted } from "../tasks/kinds/sort.ts";
/** @public */
export type { SumData } from "../tasks/kinds/sum.ts";
/** @public */
export type { Material, Scene } from "../tasks/kinds/render/scene.ts";
/** @public */
export type { Program } from "../tasks/sandbox/sandbox.ts";

export type {
  Backend,
  BackendChoice,
  Capability,
  HostKind,
  LendState,
  ServedTasks,
  NodeState,
  Problem,
  RelayOverview,
  RelayState,
  ServedCounts,
  SwarmPeer,
} from "./state.ts";

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
  distributeTask<Kind extends TaskKindName>(request: TaskRequest<Kind>): Promise<JobIdOf<Kind>>;
  /**
   * Keeps an ONNX model in this browser as tiles that works of kind `ml_inference` can name; whoever computes them fetches them
   * here, and from each other. Throws BAD_INPUT or RELAY_UNREACHABLE.
   */
  keepModel(bytes: Uint8Array): Promise<ModelTiles>;
  /** The value. Throws BAD_INPUT, TASK_FAILED or TIMEOUT as the work did, or the signal's reason. */
  waitForResult<Kind extends TaskKindName>(id: JobIdOf<Kind>, signal?: AbortSignal): Promise<TaskValueByKind[Kind]>;
  /**
   * Tells of each settled part by its place, those of before first; a part that a liar had settled may come again. Answers the
   * function that stops it. Throws BAD_INPUT where there is no such work.
   */
  watchParts(id: JobId, onPart: (at: number, output: Uint8Array<ArrayBuffer>, count: number) => void): () => void;
  /** What a work was asked with. Throws BAD_INPUT where it is not kept. */
  taskData<Kind extends TaskKindName>(id: JobIdOf<Kind>): Promise<TaskDataByKind[Kind]>;
  /** Stops a work; what was settled is kept, and answers the same work when it is asked again. */
  cancelTask(id: JobId): void;
  /** Stops it, and forgets its data and results. */
  forgetTask(id: JobId): Promise<void>;
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
