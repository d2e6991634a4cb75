// Port: a kind of task. Its code says how a job is split into parts, what one part computes, and how the outputs are
// joined to one value; its facts say everything else about it, without that code.
import * as v from "valibot";
import type { TaskLimits } from "../protocol/task-frames.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { PeerId } from "../shared/ids.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** What one peer computes: parameters in plain data, and input bytes. */
export interface TaskPart {
  readonly params: unknown;
  readonly input: Bytes;
}

export interface RunContext {
  /** Aborts when the output is no longer wanted, or when a limit is broken. */
  readonly signal: AbortSignal;
  /** Reports progress; to be called at least once in every few ten milliseconds of computing. */
  readonly progress: () => void;
  /** The task's own limits, for kinds that pass them on. */
  readonly limits?: TaskLimits;
  /** The peer that assigned the task: tiles that the task names are requested from it first. */
  readonly requester?: PeerId;
}

/**
 * What a kind computes. The requester splits and joins, the volunteer runs. No method reads a clock or draws a random
 * number of its own.
 */
export interface KindCode<Data, Value> {
  /** The parts depend on the data alone, never on the peers that are there. Throws BAD_INPUT. */
  split(data: Data): readonly TaskPart[];
  /**
   * Output of one part, the same bytes on every machine of a determinism class. Throws BAD_INPUT, or the signal's
   * reason.
   */
  run(part: TaskPart, context: RunContext): Promise<Bytes>;
  /** `outputs` are in the order of the parts. Throws BAD_INPUT if they cannot be the outputs of these parts. */
  join(data: Data, outputs: readonly Bytes[]): Value;
  /**
   * Whether two outputs agree but for the differences that machines of two determinism classes may have. Without it
   * only equal bytes agree.
   */
  near?(a: Bytes, b: Bytes): boolean;
  /**
   * The requester's own look at one output, for kinds whose outputs differ from machine to machine. An output that it
   * refuses is wrong, and outputs are not compared with each other. `random` draws in [0, 1); no volunteer can know
   * what it draws.
   */
  accepts?(part: TaskPart, output: Bytes, random: () => number): boolean;
  /** Units of the kind's price in one part; at least 1. */
  weigh(part: TaskPart): number;
}

/**
 * What is known of a kind without its code: enough to offer it, to price it, to judge its results, and to talk about
 * it.
 */
export interface KindFacts {
  /** Raised when the code would give another output for the same task. */
  readonly version: number;
  /**
   * Names the machines whose outputs have the same bytes as this one's; without it all machines give the same bytes.
   */
  readonly determinismClass?: string;
  /** Whether every honest machine gives the same bytes, so that another result is a lie. */
  readonly isExact: boolean;
  readonly price: {
    /** What one unit is. */
    readonly unit: string;
    /** Microcredits of one unit. */
    readonly micro: number;
  };
  /** What one part is called, and several. */
  readonly part: readonly [one: string, many: string];
  /** What a volunteer has to have beside a thread: a runtime for models, a sandbox for programs, or a graphics card. */
  readonly needs?: "models" | "sandbox" | "card";
  /** Fetches the code for a requester, which needs none of the above. Rejects if the code cannot be fetched. */
  readonly load: () => Promise<KindCode<never, unknown>>;
}

/** A kind as it is offered: `code` in `version` under `name`. */
export interface OfferedKind extends Pick<KindFacts, "version" | "determinismClass"> {
  readonly name: string;
}

export interface TaskKind<Data = unknown, Value = unknown> extends OfferedKind, KindCode<Data, Value> {}

/** What a volunteer needs of a kind. */
export type RunnableKind = OfferedKind & Pick<KindCode<never, unknown>, "run">;

export const offered = ({ name, version, determinismClass }: OfferedKind): OfferedKind => ({
  name,
  version,
  ...(determinismClass !== undefined && { determinismClass }),
});

/** Parameters as a schema reads them. Throws BAD_INPUT. */
export function readParams<const Schema extends v.GenericSchema>(schema: Schema, params: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, params);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue);
  throw new ManyhandsError("BAD_INPUT", `${where === null ? "it is" : `"${where}" is`} of another form: ${issue.message}`);
}

/** For arguments and bytes that make no sense. */
export const badInput = (message: string): ManyhandsError => new ManyhandsError("BAD_INPUT", message);
