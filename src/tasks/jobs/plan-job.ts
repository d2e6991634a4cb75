// From a request to a plan: reads the request with care, splits it into parts, and writes the job's head. Pure.
import { TASK_LIMITS, type TaskLimits } from "../../protocol/task-frames.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId, JobId } from "../../shared/ids.ts";
import { MICRO } from "../../shared/micro.ts";
import type { Kinds } from "../kinds/find-kind.ts";
import { badInput, type TaskKind, type TaskPart } from "../task-kind.ts";
import { replicationOf } from "./part-task.ts";
import type { TaskRequest, JobHead } from "./job.ts";

const DEFAULTS = Object.freeze({
  /** Parts of one job: each costs about a kilobyte here for as long as the job goes on. */
  parts: 200_000,
  /** Largest distance of a priority from 0. */
  priority: 1_000,
  /** Characters. */
  label: 80,
  /** Milliseconds: a year. */
  deadlineMs: 365 * 24 * 3600_000,
});

export interface PlannedJob {
  readonly kind: TaskKind;
  readonly parts: readonly TaskPart[];
  readonly head: JobHead;
}

export interface PlanOptions {
  readonly id: JobId;
  readonly owner: PeerId;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** The kinds of which a job may be. */
  readonly kinds: Kinds;
}

/** Throws BAD_INPUT with a sentence that says what to change. */
export function planJob(request: TaskRequest, { id, owner, nowMs, kinds }: PlanOptions): PlannedJob {
  if (typeof request !== "object" || request === null) throw badInput("A request is an object with a kind and data.");
  const { kind: name, data, label = name, limits = {}, own = true } = request;
  const kind = kinds.get(name);
  if (kind === undefined) throw badInput(`There is no kind of task called "${name}". There are: ${[...kinds.keys()].join(", ")}.`);
  if (typeof label !== "string") throw badInput("A label is a text.");
  const reward = numberIn("reward", request.reward ?? 0, 0, TASK_LIMITS.reward / MICRO);
  const priority = numberIn("priority", request.priority ?? 0, -DEFAULTS.priority, DEFAULTS.priority);
  const deadlineMs = request.deadlineMs === undefined ? Infinity : numberIn("deadlineMs", request.deadlineMs, 1, DEFAULTS.deadlineMs);
  checkLimits(limits);
  const { quorum, most } = request.replication ?? replicationOf(kind);
  for (const [word, count] of Object.entries({ quorum, most }))
    if (!Number.isSafeInteger(count)) throw badInput(`replication.${word} has to be a whole number.`);
  if (quorum < 1 || most < quorum || most > TASK_LIMITS.replicas)
    throw badInput(`A quorum is at least 1 and at most "most", which is at most ${TASK_LIMITS.replicas}.`);
  const parts = split(kind, data);
  const head: JobHead = {
    id,
    owner,
    kind: name,
    label: label.slice(0, DEFAULTS.label),
    startedMs: nowMs,
    endedMs: undefined,
    untilMs: nowMs + deadlineMs,
    rewardMicro: Math.floor((reward * MICRO) / Math.max(1, parts.length)),
    priority,
    limits,
    replication: { quorum, most },
    own,
    parts: parts.length,
    done: 0,
    cached: 0,
    checked: 0,
    peers: 0,
    wrong: 0,
    state: "open",
    problem: undefined,
  };
  return { kind, parts, head };
}

function split(kind: TaskKind, data: unknown): readonly TaskPart[] {
  let parts: readonly TaskPart[];
  try {
    parts = kind.split(data);
  } catch (error) {
    if (error instanceof ManyhandsError)
      throw new ManyhandsError("BAD_INPUT", `This is no job of kind ${kind.name}: ${error.message}.`, { cause: error });
    // The data has another shape altogether, which the kind did not expect.
    throw new ManyhandsError("BAD_INPUT", `The data is not what ${kind.name} takes (see the documentation of its kind).`, { cause: error });
  }
  if (parts.length > DEFAULTS.parts)
    throw badInput(`This makes ${parts.length} parts, but one job has at most ${DEFAULTS.parts}. Split it into several jobs.`);
  return parts;
}

function checkLimits(limits: Partial<TaskLimits>): void {
  const most = {
    runMs: TASK_LIMITS.runMs,
    silentMs: TASK_LIMITS.runMs,
    memoryBytes: TASK_LIMITS.memoryBytes,
    outputBytes: TASK_LIMITS.outputBytes,
  };
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(most, name)) throw badInput(`There is no limit called "${name}". There are: ${Object.keys(most).join(", ")}.`);
    numberIn(`limits.${name}`, value, 1, most[name as keyof TaskLimits]); // it has the name
    if (!Number.isInteger(value)) throw badInput(`limits.${name} has to be a whole number.`);
  }
}

function numberIn(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== "number" || !(value >= min && value <= max))
    throw badInput(`${name} has to be a number from ${min} to ${max}, not ${typeof value === "number" ? value : `a ${typeof value}`}.`);
  return value;
}
