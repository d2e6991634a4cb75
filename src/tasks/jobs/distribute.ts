// From data to value: cuts a whole by its kind, has the parts computed by the swarm, and joins them; or streams outputs in order.
import { TASK_LIMITS, type Task } from "../../protocol/task-frames.ts";
import type { Dispatcher, SubmitOptions } from "../dispatch/dispatcher.ts";
import type { Settled } from "../dispatch/task-record.ts";
import type { TaskKind, TaskPart } from "../task-kind.ts";

export const DEFAULTS = Object.freeze({
  limits: Object.freeze({
    /** Milliseconds of a part in total, and without a sign of progress. */
    runMs: 5 * 60_000,
    silentMs: 30_000,
    /** Bytes. */
    memoryBytes: 256 * 1024 * 1024,
    outputBytes: TASK_LIMITS.outputBytes,
  }),
  replication: Object.freeze({ quorum: 2, most: 5 }),
  /** Where the requester looks at each output itself, which need not equal another one. */
  replicationOfLooked: Object.freeze({ quorum: 1, most: 1 }),
  /** Parts of a stream that are out before its reader has taken what came. */
  ahead: 256,
});

export interface DistributeOptions {
  readonly priority?: number;
  /** Milliseconds from now. */
  readonly deadlineMs?: number;
  /** Microcredits for each part. */
  readonly reward?: number;
  /** What was set aside at the ledger for all of it. */
  readonly reservation?: string | null;
  readonly limits?: Partial<Task["limits"]>;
  readonly replication?: Task["replication"];
  readonly signal: AbortSignal;
}

/** What of a dispatcher is needed. */
export type Submitter = Pick<Dispatcher, "submit">;

/**
 * The joined value. `onPart` hears of each part as it is settled, with its place among the parts. Throws BAD_INPUT,
 * TASK_FAILED, TIMEOUT, or the signal's reason; the other parts are given up then.
 */
export async function distribute<Data, Value>(
  submitter: Submitter,
  kind: TaskKind<Data, Value>,
  data: Data,
  options: DistributeOptions & { readonly onPart?: (at: number, settled: Settled, count: number) => void },
): Promise<Value> {
  const parts = kind.split(data);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  try {
    const settled = await Promise.all(
      parts.map(async (part, at) => {
        const one = await submitPart(submitter, kind, part, { ...options, signal });
        options.onPart?.(at, one, parts.length);
        return one;
      }),
    );
    return kind.join(
      data,
      settled.map(({ output }) => output),
    );
  } finally {
    stop.abort(new Error("the other parts are not wanted any more"));
  }
}

/**
 * Settlements of parts as they come, in their order or in that of their arrival; takes new parts only as the reader goes on.
 * A stream that is left early gives up what is out.
 */
export async function* streamParts(
  submitter: Submitter,
  kind: Pick<TaskKind<never>, "name" | "version" | "weigh" | "accepts" | "near">,
  parts: Iterable<TaskPart>,
  { ordered = true, ahead = DEFAULTS.ahead, ...options }: DistributeOptions & { readonly ordered?: boolean; readonly ahead?: number },
): AsyncGenerator<{ readonly at: number; readonly settled: Settled }> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const out = new Map<number, Promise<{ at: number; settled: Settled }>>();
  const source = parts[Symbol.iterator]();
  let next = 0;
  try {
    for (let isOver = false; ;) {
      while (!isOver && out.size < ahead) {
        const part = source.next();
        if (part.done === true) isOver = true;
        else {
          const at = next++;
          const promise = submitPart(submitter, kind, part.value, { ...options, signal }).then((settled) => ({ at, settled }));
          promise.catch(() => {}); // whoever reads the stream hears of it, if it gets so far
          out.set(at, promise);
        }
      }
      const [first] = out.values();
      if (first === undefined) return;
      const one = await (ordered ? first : Promise.race(out.values()));
      out.delete(one.at);
      yield one;
    }
  } finally {
    stop.abort(new Error("the stream was left"));
  }
}

/** How often a part is computed, and how many must agree, where nobody says otherwise. */
export const replicationOf = (kind: Pick<TaskKind<never>, "accepts">): Task["replication"] =>
  kind.accepts === undefined ? DEFAULTS.replication : DEFAULTS.replicationOfLooked;

/** The requester's own look at the output of `part`, where the kind has one. */
export const looking = (kind: Pick<TaskKind<never>, "accepts" | "near">, part: TaskPart): Pick<SubmitOptions, "accepts" | "near"> => ({
  ...(kind.accepts && { accepts: (output, random) => kind.accepts?.(part, output, random) === true }),
  ...(kind.near && { near: (a, b) => kind.near?.(a, b) === true }),
});

/** What is lent of a part. */
export const taskOf = (
  { name, version }: Pick<TaskKind<never>, "name" | "version">,
  { params, input }: TaskPart,
  { limits, replication, reward }: Pick<Task, "replication" | "reward"> & { readonly limits: Partial<Task["limits"]> },
): Task => ({
  kind: name,
  version,
  params,
  input: { kind: "inline", bytes: input },
  limits: { ...DEFAULTS.limits, ...limits },
  replication,
  reward,
});

function submitPart(
  submitter: Submitter,
  kind: Pick<TaskKind<never>, "name" | "version" | "weigh" | "accepts" | "near">,
  part: TaskPart,
  { priority, deadlineMs, reward = 0, limits = {}, replication = replicationOf(kind), reservation = null, signal }: DistributeOptions,
): Promise<Settled> {
  return submitter.submit(taskOf(kind, part, { limits, replication, reward }), {
    units: kind.weigh(part),
    reservation,
    ...looking(kind, part),
    signal,
    ...(priority === undefined ? {} : { priority }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
}
