// The node's public face: the verbs of a peer, and their types. The page, the widget and programs see no more.
import type { Prompt } from "../inference/encode-prompt.ts";
import type { GenerateEvent, GenerateOptions } from "../inference/generate-event.ts";
import type { ModelOffer } from "../model/model-summary.ts";
import type { FolderHandle } from "../model/tiles/folder-handle.ts";
import type { Account } from "../protocol/credit-frames.ts";
import type { ModelReason } from "../route/plan-model.ts";
import type { ModelId, PeerId, JobId } from "../shared/ids.ts";
import type { TaskRequest, JobIdOf } from "../tasks/jobs/job.ts";
import type { MapOptions, ProgramOptions } from "../tasks/jobs/map-stream.ts";
import type { ModelTiles, TaskDataByKind, TaskKindName, TaskValueByKind } from "../tasks/kinds/kind-list.ts";
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
/** Kinds of tasks, their data and their values. */
export type * from "../tasks/kinds/kind-list.ts";
/** @public */
export type { MapOptions, ProgramOptions } from "../tasks/jobs/map-stream.ts";
/** @public */
export type { TaskRequest, JobIdOf, JobState, JobView } from "../tasks/jobs/job.ts";
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
  /** Which model to ask; undefined leaves the choice to what the swarm serves. */
  readonly model: ModelId | undefined;
}

export type AskEvent =
  | GenerateEvent
  /** The model that answers, and why it was chosen. */
  | { readonly kind: "chosen"; readonly model: ModelOffer; readonly reason: ModelReason };

/** This process as a peer. Nothing is loaded, computed or announced before `lend(true)` or the first `generate`. */
export interface Node {
  readonly state: NodeState;
  /** Calls `listener` after changes of `state`, a few times a second at most. Returns a function that stops this. */
  subscribe(listener: (state: NodeState) => void): () => void;
  /** Starts or stops lending. The newest call wins. Never throws: failures show in `state.lend`. */
  lend(on: boolean): Promise<void>;
  setShare(share: number): void;
  setBackend(choice: BackendChoice): void;
  /** Bytes of weights to keep between visits; the weights that were used longest ago go first. */
  setKeepBytes(bytes: number): void;
  /** Reads the weights of `model` from the person's folder before any server. A notice says whether it works. */
  mountFolder(model: ModelId, folder: FolderHandle): void;
  /** Which model to lend; undefined lends the one that helps the swarm most. A tab that lends another changes over. */
  setLendModel(model: ModelId | undefined): void;
  /**
   * Streams the answer to a conversation, or the continuation of a text. Throws BAD_INPUT, PROMPT_TOO_LONG, NO_ROUTE,
   * PEER_LOST, MODEL_CORRUPT, MODEL_UNAVAILABLE, RELAY_UNREACHABLE or ENGINE_FAILED as a ManyhandsError whose message a
   * person can read, or the signal's reason. Events that were yielded before stay valid.
   */
  generate(prompt: Prompt, options?: Partial<AskOptions>, signal?: AbortSignal): AsyncIterable<AskEvent>;
  /** Joins now; the other verbs join by themselves. Returns this peer's id. Throws RELAY_UNREACHABLE after a while. */
  join(): Promise<PeerId>;
  /**
   * Has a job computed by volunteers and this tab. Resolves with its id once the job is kept: after a reload it goes
   * on. Throws BAD_INPUT, whose message says what to change, or RELAY_UNREACHABLE.
   */
  distributeTask<Kind extends TaskKindName>(request: TaskRequest<Kind>): Promise<JobIdOf<Kind>>;
  /**
   * Keeps an ONNX model in this browser as tiles, which jobs of the kind `ml_inference` can name; volunteers fetch them
   * from here and from each other. Throws BAD_INPUT or RELAY_UNREACHABLE.
   */
  keepModel(bytes: Uint8Array): Promise<ModelTiles>;
  /** Resolves with the job's value. Throws BAD_INPUT, TASK_FAILED or TIMEOUT as the job did, or the signal's reason. */
  waitForResult<Kind extends TaskKindName>(id: JobIdOf<Kind>, signal?: AbortSignal): Promise<TaskValueByKind[Kind]>;
  /**
   * Calls `onPart` for each settled task, beginning with those that are settled already. `at`: its place among the
   * `count` tasks of the job. A task may come again if its first result turned out to be a lie. Returns a function that
   * stops this. Throws BAD_INPUT if there is no such job.
   */
  watchParts(id: JobId, onPart: (at: number, output: Uint8Array<ArrayBuffer>, count: number) => void): () => void;
  /** Resolves with the data that the job was made from. Throws BAD_INPUT if the job is not kept. */
  taskData<Kind extends TaskKindName>(id: JobIdOf<Kind>): Promise<TaskDataByKind[Kind]>;
  /** Stops a job. Settled tasks are kept, and serve the same job if it is asked for again. */
  cancelTask(id: JobId): void;
  /** Stops a job, and forgets its data and results. */
  forgetTask(id: JobId): Promise<void>;
  /**
   * Yields a value for each input, in the order of the inputs or as the values come. New inputs are read only as values
   * are. For the kind `map` an input is one of the program's; for other kinds it is the data of one job. Leaving the
   * loop gives up the rest. Throws what `distributeTask` and `waitForResult` throw, and what the inputs throw.
   */
  map(kind: "map", inputs: Iterable<unknown> | AsyncIterable<unknown>, options: ProgramOptions): AsyncIterable<unknown>;
  map<Kind extends Exclude<TaskKindName, "map">>(
    kind: Kind,
    inputs: Iterable<TaskDataByKind[Kind]> | AsyncIterable<TaskDataByKind[Kind]>,
    options?: MapOptions,
  ): AsyncIterable<TaskValueByKind[Kind]>;
  /** Resolves with this peer's account at the relay. Throws RELAY_UNREACHABLE or LEDGER_UNAVAILABLE. */
  getBalance(signal?: AbortSignal): Promise<Account>;
  /** Leaves the swarm and frees everything. Idempotent. */
  stop(): Promise<void>;
}
