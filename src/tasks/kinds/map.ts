// Kind `map`: a stranger's function or module over many inputs. Each part carries the program and some of the inputs.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { TASK_LIMITS } from "../../protocol/task-frames.ts";
import { cutByBytes } from "./number-bytes.ts";
import { Program, type ProgramValue, type Sandbox } from "../sandbox/sandbox.ts";
import { badInput, type Bytes, readParams, type KindCode } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Inputs of one part at most. Each part costs a fresh sandbox, some ten milliseconds. */
  inputs: 4096,
  /** Bytes of inputs in one part, beside the program. */
  inputBytes: 256 * 1024,
});

/**
 * `inputs`: JSON values for a function, bytes for a module. `batch`: inputs of one part, 1 to 4,096, 64 by default; 1
 * for inputs that take long.
 */
export interface MapData {
  readonly program: Program;
  readonly inputs: readonly unknown[];
  readonly batch?: number;
}

const Value = v.union([v.string(), v.instance(Uint8Array<ArrayBuffer>)]);
const Input = v.strictObject({ program: Program, inputs: v.pipe(v.array(Value), v.minLength(1), v.maxLength(DEFAULTS.inputs)) });
const Outputs = v.array(Value);
const Batch = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(DEFAULTS.inputs));

/** Programs run in `sandbox`; a requester needs none. Value: the outputs, in the order of the inputs. */
export const mapIn = (sandbox: Sandbox | undefined): KindCode<MapData, readonly unknown[]> => ({
  split(data) {
    const program = readParams(Program, data.program);
    const batch = readParams(Batch, data.batch ?? 64);
    const values = data.inputs.map((input) => valueOf(program, input));
    return [...cutByBytes(values, batch, DEFAULTS.inputBytes, (value) => 3 * value.length + 5)].map((inputs) => {
      const input = encode({ program, inputs }) as Bytes; // cborg allocates plain buffers
      if (input.byteLength > TASK_LIMITS.inlineBytes) throw badInput("an input and its program do not fit one task");
      return { params: {}, input };
    });
  },

  async run({ input }, context) {
    if (sandbox === undefined || context.limits === undefined) throw badInput("programs are not run here");
    const { program, inputs } = readParams(Input, decoded(input));
    return encode([...(await sandbox.run(program, inputs, context.limits, context))]) as Bytes; // as above
  },

  join(data, outputs) {
    const values = outputs.flatMap((output) => readParams(Outputs, decoded(output)));
    if (values.length !== data.inputs.length) throw badInput("one output for each input");
    return values.map((value) => readValue(data.program, value));
  },

  /** The price follows from the requester's reference run, which the requester measures. */
  weigh: ({ input }) => readParams(Input, decoded(input)).inputs.length,
});

function valueOf(program: Program, input: unknown): ProgramValue {
  if (program.language === "wasm") {
    if (!(input instanceof Uint8Array)) throw badInput("a module maps bytes");
    return input as Bytes;
  }
  const text = JSON.stringify(input) as string | undefined; // undefined for undefined and for functions
  if (text === undefined) throw badInput("an input is not JSON");
  return text;
}

function readValue(program: Program, value: ProgramValue): unknown {
  if ((typeof value === "string") !== (program.language === "js")) throw badInput("an output of the other language");
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw badInput("an output is not JSON"); // what the parser says does not help a person
  }
}

function decoded(bytes: Bytes): unknown {
  try {
    return decode(bytes);
  } catch {
    throw badInput("not CBOR"); // what the decoder says does not help a person
  }
}
