// Port: a kind of task: how a whole is cut into parts, what one part computes, how the outputs become one value again.
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
  /** Aborts when nobody wants the output any more, or a limit is broken. */
  readonly signal: AbortSignal;
  /** Says that the work moves; to be called at least once in a few ten milliseconds of computing. */
  readonly progress: () => void;
  /** The task's own, for kinds that hand them on. */
  readonly limits?: TaskLimits;
  /** Whoever lent it: tiles that it names are asked for there first. */
  readonly requester?: PeerId;
}

/** Cutting and joining are the requester's, running is the volunteer's; none of them reads a clock or draws a random number. */
export interface TaskKind<Data, Value> {
  readonly name: string;
  /** Raised where an output would be another one. */
  readonly version: number;
  /** The parts depend on the data alone, never on who is there. Throws BAD_INPUT. */
  split(data: Data): readonly TaskPart[];
  /** Output of one part, the same bytes on every machine of a class. Throws BAD_INPUT, or the signal's reason. */
  run(part: TaskPart, context: RunContext): Promise<Bytes>;
  /** Outputs in the order of the parts. Throws BAD_INPUT where they cannot be outputs of these parts. */
  join(data: Data, outputs: readonly Bytes[]): Value;
  /** Names the machines whose outputs have the same bytes as this one's; undefined where all have. */
  readonly determinismClass?: string;
  /** Whether two outputs say the same but for what machines of two classes may differ in; without it only equal bytes do. */
  near?(a: Bytes, b: Bytes): boolean;
  /**
   * The requester's own look at one output, for kinds whose outputs are not the same bytes everywhere: what it refuses is wrong.
   * Two outputs are not compared then. `random` is drawn in [0, 1), and nobody who computes can know it.
   */
  accepts?(part: TaskPart, output: Bytes, random: () => number): boolean;
  /** Units of the price list (`credit/price.ts`) in one part; at least 1. */
  weigh(part: TaskPart): number;
}

/** What a volunteer needs of a kind. */
export type RunnableKind = Pick<TaskKind<never, unknown>, "name" | "version" | "determinismClass" | "run" | "weigh">;

/** What a volunteer says of a kind that it computes. */
export type OfferedKind = Pick<RunnableKind, "name" | "version" | "determinismClass">;

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
