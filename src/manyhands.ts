// Entry for programs: a page, a worker or a Node script imports this file.
export { join, type JoinedNode, type JoinOptions } from "./api/join.ts";
export { type ErrorCode, ManyhandsError } from "./shared/errors.ts";
export { asJobId, type ModelId, type PeerId, type Span, type TaskId, type JobId } from "./shared/ids.ts";
export type { Log } from "./shared/log.ts";
export type { TaskLimits } from "./protocol/task-frames.ts";
export type { Rerouted } from "./inference/generate-event.ts";
export type { ChatRole } from "./model/text/chat-message.ts";
export type { WireType } from "./inference/log/wire-form.ts";
export type { OverflowPolicy } from "./model/text/context-policy.ts";
export type { FolderFile } from "./model/tiles/folder-handle.ts";
export type { Bytes } from "./tasks/task-kind.ts";
export type * from "./tasks/kinds/kind-list.ts";
export { drawSquare, squaresOf } from "./tasks/kinds/render/squares.ts";
export type {
  Account,
  AskEvent,
  AskOptions,
  Backend,
  BackendChoice,
  ChatMessage,
  CreditState,
  EndReason,
  FolderHandle,
  GenerateEvent,
  GenerateOptions,
  GenerateStats,
  HistoryRow,
  HostKind,
  LendState,
  ServedTasks,
  LoadProgress,
  MapOptions,
  ModelOffer,
  ModelReason,
  ModelStanding,
  Node,
  NodeState,
  Problem,
  Program,
  ProgramOptions,
  Prompt,
  RelayState,
  RouteHop,
  ServedCounts,
  SwarmPeer,
  TaskRequest,
  WaitReason,
  JobIdOf,
  JobState,
  JobView,
} from "./node/face.ts";
