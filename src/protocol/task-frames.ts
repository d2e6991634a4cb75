// Tasks, and the frames by which they are assigned, committed to, revealed and refused. A task's CID is its id.
import { decode, encode } from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import { CID } from "multiformats/cid";
import { create } from "multiformats/hashes/digest";
import * as v from "valibot";
import { ManyhandsError } from "../shared/errors.ts";
import { asTaskId, type TaskId } from "../shared/ids.ts";
import { hash, natural, readAs } from "./fields.ts";
import { cutPayload } from "./frame.ts";
import { RECEIPT_LIMITS } from "./receipt.ts";

/**
 * Raised with every change of a shape in this file. A volunteer whose offer has another version is assigned no tasks.
 */
export const TASK_VERSION = 3;

export const TASK_LIMITS = Object.freeze({
  /** Bytes of input that a task carries itself. Larger inputs are tiles. */
  inlineBytes: 1024 * 1024,
  /** Tiles of one task: 1 GiB at 1 MiB each. */
  tiles: 1024,
  /** Bytes of a task as CBOR: inline input, parameters, and the rest. */
  taskBytes: 1024 * 1024 + 128 * 1024,
  /** Bytes of one result: it has to fit into a frame beside the header. */
  outputBytes: 4 * 1024 * 1024,
  /** Tasks in one frame: 64 entries stay far below the 64 KiB of a header. */
  batch: 64,
  /** Bytes of tasks or results in one frame. */
  batchBytes: 6 * 1024 * 1024,
  /** Kinds that one volunteer offers, and characters of a determinism class. */
  kinds: 64,
  classLength: 64,
  /** Tasks that a volunteer computes at once: threads of a large machine. */
  slots: 128,
  /** Milliseconds that one task may take at most. */
  runMs: 60 * 60_000,
  /** Bytes of memory that one task may ask for. */
  memoryBytes: 1024 * 1024 * 1024,
  replicas: 7,
  /** Microcredits that one task may offer. */
  reward: 1_000_000_000_000,
});

const positive = (max: number) => v.pipe(natural(max), v.minValue(1));
const kindName = v.pipe(v.string(), v.regex(/^[a-z_]{1,32}$/, "expected the name of a kind"));
/** Number of a lease. The requester gives each assignment its own; the numbers count up. */
const leaseNumber = natural(Number.MAX_SAFE_INTEGER);

const TaskInput = v.variant("kind", [
  v.strictObject({
    kind: v.literal("inline"),
    bytes: v.pipe(v.instance(Uint8Array), v.maxLength(TASK_LIMITS.inlineBytes)),
  }),
  /** The input is these tiles, joined in this order, each named by its SHA-256. */
  v.strictObject({
    kind: v.literal("tiles"),
    tiles: v.pipe(
      v.array(v.strictObject({ hash, sizeBytes: positive(TASK_LIMITS.inlineBytes) })),
      v.minLength(1),
      v.maxLength(TASK_LIMITS.tiles),
    ),
  }),
]);

/** The limits of one task. */
export interface TaskLimits {
  /** Milliseconds in total, and without a sign of progress. */
  readonly runMs: number;
  readonly silentMs: number;
  /** Bytes. */
  readonly memoryBytes: number;
  readonly outputBytes: number;
}
export const TaskLimits: v.GenericSchema<unknown, TaskLimits> = v.strictObject({
  runMs: positive(TASK_LIMITS.runMs),
  silentMs: positive(TASK_LIMITS.runMs),
  memoryBytes: positive(TASK_LIMITS.memoryBytes),
  outputBytes: positive(TASK_LIMITS.outputBytes),
});

export const Task = v.strictObject({
  kind: kindName,
  /** Version of the kind. The meaning of a result changes with it. */
  version: positive(1000),
  /** Plain data that the kind reads with a schema of its own. */
  params: v.unknown(),
  input: TaskInput,
  limits: TaskLimits,
  /** Equal results that settle the task if it is checked, and the most replicas that may be assigned to get there. */
  replication: v.pipe(
    v.strictObject({ quorum: positive(TASK_LIMITS.replicas), most: positive(TASK_LIMITS.replicas) }),
    v.check(({ quorum, most }) => quorum <= most, "a quorum that can be reached"),
  ),
  /** Microcredits that the requester offers for it. */
  reward: natural(TASK_LIMITS.reward),
});
export type Task = v.InferOutput<typeof Task>;

const DAG_CBOR = 0x71;
const SHA2_256 = 0x12;

/**
 * The task in canonical bytes. Throws BAD_INPUT if it breaks the limits, or has values
 * that CBOR cannot express (NaN, functions).
 */
export function encodeTask(task: Task): Uint8Array<ArrayBuffer> {
  const checked = v.safeParse(Task, task);
  if (!checked.success) throw new ManyhandsError("BAD_INPUT", `not a task: ${checked.issues[0].message}`);
  let bytes: Uint8Array;
  try {
    bytes = encode(checked.output);
  } catch (cause) {
    throw new ManyhandsError("BAD_INPUT", "the task's parameters are not plain data", { cause });
  }
  if (bytes.byteLength > TASK_LIMITS.taskBytes)
    throw new ManyhandsError("BAD_INPUT", `a task of ${bytes.byteLength} bytes is over the limit`);
  return bytes as Uint8Array<ArrayBuffer>; // cborg allocates plain buffers
}

/** CID of a task's canonical bytes: dag-cbor, SHA-256, base32. */
export const taskId = (bytes: Uint8Array): TaskId => asTaskId(CID.createV1(DAG_CBOR, create(SHA2_256, sha256(bytes))).toString());

/** Reads a task. Throws FRAME_TOO_LARGE or FRAME_MALFORMED. */
export function decodeTask(bytes: Uint8Array): Task {
  if (bytes.byteLength > TASK_LIMITS.taskBytes)
    throw new ManyhandsError("FRAME_TOO_LARGE", `a task of ${bytes.byteLength} bytes is over the limit`);
  let value: unknown;
  try {
    value = decode(bytes);
  } catch (cause) {
    throw new ManyhandsError("FRAME_MALFORMED", "the task is not CBOR", { cause });
  }
  return readAs(Task, value, "a task");
}

/** Volunteer to requester: the first frame on a link, sent again whenever it changes. */
export const OfferFrame = v.strictObject({
  kind: v.literal("offer"),
  version: natural(2 ** 16),
  kinds: v.pipe(
    v.array(
      v.strictObject({
        kind: kindName,
        version: positive(1000),
        /**
         * Names the machines that give the same bytes as this one, if not all machines do:
         * runtime, its form, and how it was probed.
         */
        determinismClass: v.optional(v.pipe(v.string(), v.maxLength(TASK_LIMITS.classLength))),
      }),
    ),
    v.maxLength(TASK_LIMITS.kinds),
  ),
  /** Tasks that it computes at once; 0 if it computes none now. */
  slots: natural(TASK_LIMITS.slots),
});
export type OfferFrame = v.InferOutput<typeof OfferFrame>;

const batch = <const Item extends v.GenericSchema>(item: Item) => v.pipe(v.array(item), v.minLength(1), v.maxLength(TASK_LIMITS.batch));

/** Requester to volunteer: compute these tasks. Payload: the tasks' canonical bytes, one after the other. */
const AssignFrame = v.strictObject({
  kind: v.literal("lend"),
  leases: batch(v.strictObject({ lease: leaseNumber, sizeBytes: positive(TASK_LIMITS.taskBytes) })),
});

/** Volunteer to requester: it keeps the leases alive. `step` counts up with the progress. */
const ProgressFrame = v.strictObject({
  kind: v.literal("progress"),
  leases: batch(v.strictObject({ lease: leaseNumber, step: natural(Number.MAX_SAFE_INTEGER) })),
});

/**
 * Volunteer to requester: the tasks are computed. The digest binds each result to its
 * maker before anybody sees a result.
 */
const CommitFrame = v.strictObject({
  kind: v.literal("commit"),
  commits: batch(v.strictObject({ lease: leaseNumber, digest: hash })),
});

/** Requester to volunteer: reveal the results. Each counts as this replica, and is worth so many units. */
const RevealFrame = v.strictObject({
  kind: v.literal("reveal"),
  reveals: batch(v.strictObject({ lease: leaseNumber, replica: natural(1000), units: positive(1_000_000_000) })),
});

/** Volunteer to requester. Payload: the outputs, one after the other. */
const ResultFrame = v.strictObject({
  kind: v.literal("result"),
  results: batch(
    v.strictObject({
      lease: leaseNumber,
      sizeBytes: natural(TASK_LIMITS.outputBytes),
      /** Drawn by the volunteer, so that a commitment to a guessable result reveals nothing. */
      salt: v.pipe(v.instance(Uint8Array), v.length(16)),
      /** The volunteer's signature under its claim; null if it works for nothing. */
      claim: v.nullable(
        v.strictObject({ finishedMs: natural(Number.MAX_SAFE_INTEGER), signature: v.pipe(v.instance(Uint8Array), v.length(64)) }),
      ),
    }),
  ),
});

/**
 * `fault`: the task itself fails, by its program or its limits. `unknown-kind`, `bad-task`: this volunteer cannot
 * compute it. `busy`: not now. `unavailable`: its tiles could not be fetched.
 */
export const RefusalReason = v.picklist(["fault", "unknown-kind", "bad-task", "busy", "unavailable"]);
export type RefusalReason = v.InferOutput<typeof RefusalReason>;

const RefuseFrame = v.strictObject({
  kind: v.literal("refuse"),
  lease: leaseNumber,
  reason: RefusalReason,
  message: v.pipe(v.string(), v.maxLength(400)),
});

/** Requester to volunteer: these tasks are no longer wanted. */
const CancelFrame = v.strictObject({ kind: v.literal("cancel"), leases: batch(leaseNumber) });

/**
 * Requester to volunteer: sign that you got this result, or another one, if that is so. Payload: statements in
 * canonical CBOR. `ask` counts up with each statement.
 */
const WitnessFrame = v.strictObject({
  kind: v.literal("witness"),
  asks: batch(v.strictObject({ ask: leaseNumber, sizeBytes: positive(RECEIPT_LIMITS.bytes) })),
});

/** Volunteer to requester: its signature under each statement; null if that is not what it got. */
const WitnessedFrame = v.strictObject({
  kind: v.literal("witnessed"),
  answers: batch(v.strictObject({ ask: leaseNumber, signature: v.nullable(v.pipe(v.instance(Uint8Array<ArrayBuffer>), v.length(64))) })),
});

/** Requester to volunteer: the complete receipts of its work. Payload: receipts in canonical CBOR. */
const ReceiptFrame = v.strictObject({
  kind: v.literal("receipt"),
  sizes: batch(positive(RECEIPT_LIMITS.bytes)),
});

const ToVolunteer = v.variant("kind", [AssignFrame, RevealFrame, CancelFrame, WitnessFrame, ReceiptFrame]);
export type ToVolunteer = v.InferOutput<typeof ToVolunteer>;
const ToRequester = v.variant("kind", [OfferFrame, ProgressFrame, CommitFrame, ResultFrame, RefuseFrame, WitnessedFrame]);
export type ToRequester = v.InferOutput<typeof ToRequester>;
export type TaskClaim = v.InferOutput<typeof ResultFrame>["results"][number]["claim"];

/** Reads a header that a requester sent. Throws FRAME_MALFORMED. */
export const readToVolunteer = (header: unknown): ToVolunteer => readAs(ToVolunteer, header, "a frame for a volunteer");
/** Reads a header that a volunteer sent. Throws FRAME_MALFORMED. */
export const readToRequester = (header: unknown): ToRequester => readAs(ToRequester, header, "a frame for a requester");

/** The items that a frame lists, each with its own bytes of the payload. Throws SIZE_MISMATCH. */
export function pairPayload<Item extends { readonly sizeBytes: number }>(
  payload: Uint8Array,
  items: readonly Item[],
): readonly (readonly [Item, Uint8Array<ArrayBuffer>])[] {
  const sizes = items.map(({ sizeBytes }) => sizeBytes);
  return cutPayload(payload, sizes).map((bytes, at) => [items[at] as Item, bytes]); // as many as items
}

const text = new TextEncoder();

/**
 * The digest that a volunteer commits to: SHA-256 over salt, volunteer, task, and the output's SHA-256. The volunteer's
 * id is in it, so another peer cannot copy the commitment.
 */
export function commitment(salt: Uint8Array, volunteer: string, task: string, outputHash: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256
    .create()
    .update(salt)
    .update(text.encode(`${volunteer}\n${task}\n`))
    .update(outputHash)
    .digest();
}
