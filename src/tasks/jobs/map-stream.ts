// Values for a stream of inputs: each input, or each batch of them, is a small job of its own; a bounded number is out
// at once.
import { abortable } from "../../shared/abort.ts";
import type { MapData, TaskKindName } from "../kinds/kind-list.ts";
import type { Program } from "../sandbox/sandbox.ts";
import type { TaskRequest, JobTerms } from "./job.ts";

const DEFAULTS = Object.freeze({
  /** Jobs that are out before their values are read. */
  ahead: 64,
  /** Inputs of a program in one task: each task costs a fresh sandbox. */
  batch: 64,
});

/** The terms are those of each input or batch. */
export interface MapOptions extends JobTerms {
  /** Whether values come in the order of the inputs; true by default. Otherwise they come as soon as they are there. */
  readonly ordered?: boolean;
  /** Inputs, or batches of inputs, that are computed before their values are read; 64 by default. */
  readonly ahead?: number;
  readonly signal?: AbortSignal;
}

export interface ProgramOptions extends MapOptions {
  readonly program: Program;
  /** Inputs that are sent together, 1 to 4,096; 64 by default. 1 if an input takes long or arrives late. */
  readonly batch?: number;
}

/** Resolves with one request's value; throws as a job does. The job is over once it settles. */
export type Compute = (request: TaskRequest, signal: AbortSignal) => Promise<unknown>;

/**
 * Leaving the stream gives up every job that is out. Throws BAD_INPUT, TASK_FAILED, TIMEOUT, the signal's reason, or
 * what the inputs throw.
 */
export async function* mapStream(
  compute: Compute,
  kind: TaskKindName,
  inputs: Iterable<unknown> | AsyncIterable<unknown>,
  { ordered = true, ahead = DEFAULTS.ahead, signal: until, ...options }: Partial<ProgramOptions>,
): AsyncGenerator<unknown, void> {
  const stop = new AbortController();
  const signal = until === undefined ? stop.signal : AbortSignal.any([until, stop.signal]);
  const { program, batch = DEFAULTS.batch, ...terms } = options;
  const source = kind === "map" ? batches(inputs, program, batch) : each(inputs);
  const out = new Map<number, Promise<{ readonly at: number; readonly values: readonly unknown[] }>>();
  let next = 0;
  let reading: Promise<IteratorResult<unknown>> | undefined;
  let isOver = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      if (!isOver && out.size < ahead) reading ??= source.next();
      if (reading === undefined && out.size === 0) return;
      const [first] = out.values();
      const values = first === undefined ? [] : ordered ? [first] : [...out.values()];
      // An input that comes late must not hold up values that are there, nor may values hold up inputs.
      const came = await abortable(Promise.race([...(reading === undefined ? [] : [reading]), ...values]), signal);
      if ("values" in came) {
        out.delete(came.at);
        yield* came.values;
        continue;
      }
      reading = undefined;
      if (came.done === true) {
        isOver = true;
        continue;
      }
      const at = next++;
      const data = came.value as TaskRequest["data"]; // planning reads it with care
      const job = compute({ ...terms, kind, data }, signal).then((value) => ({
        at,
        values: kind === "map" ? (value as unknown[]) : [value],
      }));
      job.catch(() => {}); // the reader of the stream gets the rejection, if it reads that far
      out.set(at, job);
    }
  } finally {
    stop.abort(new Error("the stream was left"));
    source.return(undefined).catch(() => {}); // not awaited: the next input may never come
  }
}

async function* each(inputs: Iterable<unknown> | AsyncIterable<unknown>): AsyncGenerator<unknown, void> {
  yield* inputs;
}

async function* batches(
  inputs: Iterable<unknown> | AsyncIterable<unknown>,
  program: Program | undefined,
  size: number,
): AsyncGenerator<MapData, void> {
  let batch: unknown[] = [];
  const data = (): MapData => ({ program: program as Program, inputs: batch, batch: Math.max(1, batch.length) }); // read with care later
  for await (const input of inputs) {
    batch.push(input);
    if (batch.length < size) continue;
    yield data();
    batch = [];
  }
  if (batch.length > 0) yield data();
}
