// From a part of a job to the task that the dispatcher assigns, with what a job says nothing about: limits and
// replication. Pure.
import { TASK_LIMITS, type Task } from "../../protocol/task-frames.ts";
import type { SubmitOptions } from "../dispatch/dispatcher.ts";
import type { TaskKind, TaskPart } from "../task-kind.ts";

/** Of a task, if its job says nothing else. */
export const TASK_DEFAULTS = Object.freeze({
  limits: Object.freeze({
    /** Milliseconds of a part in total, and without a sign of progress. */
    runMs: 5 * 60_000,
    silentMs: 30_000,
    /** Bytes. */
    memoryBytes: 256 * 1024 * 1024,
    outputBytes: TASK_LIMITS.outputBytes,
  }),
  replication: Object.freeze({ quorum: 2, most: 5 }),
  /** For kinds whose outputs the requester looks at itself: outputs need not equal each other. */
  replicationOfLooked: Object.freeze({ quorum: 1, most: 1 }),
});

/** How many equal results settle a part, and how many may be asked for, if its job says nothing else. */
export const replicationOf = (kind: Pick<TaskKind, "accepts">): Task["replication"] =>
  kind.accepts === undefined ? TASK_DEFAULTS.replication : TASK_DEFAULTS.replicationOfLooked;

/** The kind's own checks of outputs of `part`, if it has any. */
export const checksOf = (kind: Pick<TaskKind, "accepts" | "near">, part: TaskPart): Pick<SubmitOptions, "accepts" | "near"> => ({
  ...(kind.accepts && { accepts: (output, random) => kind.accepts?.(part, output, random) === true }),
  ...(kind.near && { near: (a, b) => kind.near?.(a, b) === true }),
});

/** The task that is assigned for a part. */
export const taskOf = (
  { name, version }: Pick<TaskKind, "name" | "version">,
  { params, input }: TaskPart,
  { limits, replication, reward }: Pick<Task, "replication" | "reward"> & { readonly limits: Partial<Task["limits"]> },
): Task => ({
  kind: name,
  version,
  params,
  input: { kind: "inline", bytes: input },
  limits: { ...TASK_DEFAULTS.limits, ...limits },
  replication,
  reward,
});
