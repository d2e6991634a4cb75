// Values for a stream of inputs: each input, or a run of them, is a small work of its own; a bounded number is out at once.
import { abortable } from "../../shared/abort.ts";
import type { TaskKindName } from "../kinds/kind-list.ts";
import type { MapData } from "../kinds/map.ts";
import type { Program } from "../sandbox/sandbox.ts";
import type { TaskRequest, JobTerms } from "./job.ts";

const DEFAULTS = Object.freeze({
  /** Jobs that are out before their values were read. */
  ahead: 64,
  /** Inputs of a program in one task: each task costs a fresh sandbox. */
  batch: 64,
});

/** Terms are those of each input or batch. */
export interface MapOptions extends JobTerms {
  /** Whether values come in the order of the inputs; true by default. Otherwise as soon as they are there. */
  readonly ordered?: boolean;
  /** Inputs, or batches of inputs, that are computed before their values are read; 64 by default. */
  readonly ahead?: number;
  readonly signal?: AbortSignal;
}

export interface ProgramOptions extends MapOptions {
  readonly program: Program;
  /** Inputs that are sent together, 1 to 4,096; 64 by default. 1 where an input takes long or arrives late. */
  readonly batch?: number;
}

/** One request's value; throws as a work does. The work is over when it settles. */
export type Compute = (request: TaskRequest, signal: AbortSignal) => Promise<unknown>;

/** Throws BAD_INPUT, TASK_FAILED, TIMEOUT, the signal's reason, or what the inputs throw. What is out is given up when it is left. */
export async function* mapStream(
  compute: Compute,
  kind: TaskKindName,
  inputs: Iterable<unknown> | AsyncIterable<unknown>,
  { ordered = true, ahead = DEFAULTS.ahead, signal: until, ...options }: Partial<ProgramOptions>,
): AsyncGenerator<unknown, void> {
  const stop = new AbortController();
  const signal = until === undefined ? stop.signal : AbortSignal.any([until, stop.signal]);
  const { program, batch = DEFAULTS.batch, ...rest } = options;
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
      // Inputs may come late: values that are there are not held up by them, nor they by values.
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
      const data = came.value as TaskRequest["data"]; // read with care where it is planned
      const work = compute({ ...rest, kind, data }, signal).then((value) => ({
        at,
        values: kind === "map" ? (value as unknown[]) : [value],
      }));
      work.catch(() => {}); // whoever reads the stream hears of it, if it gets so far
      out.set(at, work);
    }
  } finally {
    stop.abort(new Error("the stream was left"));
    source.return(undefined).catch(() => {}); // not waited for: the next input may never come
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
  let run: unknown[] = [];
  const data = (): MapData => ({ program: program as Program, inputs: run, batch: Math.max(1, run.length) }); // planned with care
  for await (const input of inputs) {
    run.push(input);
    if (run.length < size) continue;
    yield data();
    run = [];
  }
  if (run.length > 0) yield data();
}
