// Tasks and the frames by which they are lent, committed to, revealed and refused. A task's CID is its id.
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

/** Raised with every change of a shape in this file; an offer of another version is not lent to. */
export const TASK_VERSION = 3;

export const TASK_LIMITS = Object.freeze({
  /** Bytes of input that a task carries itself; larger inputs are tiles. */
  inlineBytes: 1024 * 1024,
  /** Tiles of one task: 1 GiB at 1 MiB each. */
  tiles: 1024,
  /** Bytes of a task as CBOR: inline input, parameters, and the rest. */
  taskBytes: 1024 * 1024 + 128 * 1024,
  /** Bytes of one result: it has to fit a frame beside its header. */
  outputBytes: 4 * 1024 * 1024,
  /** Tasks in one frame: 64 of their headers stay far under a header's 64 KiB. */
  batch: 64,
  /** Bytes of tasks or results in one frame. */
  batchBytes: 6 * 1024 * 1024,
  /** Kinds that one volunteer offers, and characters of the class in which it computes one. */
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
const kindName = v.pipe(v.string(), v.regex(/^[a-z_]{1,32}$/, "wants the name of a kind"));
/** Named by the requester, once for each time that it lends a task; counts up with each. */
const leaseNumber = natural(Number.MAX_SAFE_INTEGER);

const TaskInput = v.variant("kind", [
  v.strictObject({
    kind: v.literal("inline"),
    bytes: v.pipe(v.instance(Uint8Array), v.maxLength(TASK_LIMITS.inlineBytes)),
  }),
  /** In this order, one after the other, each addressed by its SHA-256. */
  v.strictObject({
    kind: v.literal("tiles"),
    tiles: v.pipe(
      v.array(v.strictObject({ hash, sizeBytes: positive(TASK_LIMITS.inlineBytes) })),
      v.minLength(1),
      v.maxLength(TASK_LIMITS.tiles),
    ),
  }),
]);

/** What one task may take. */
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
  /** Of the kind: what a result means changes with it. */
  version: positive(1000),
  /** Plain data that the kind reads with a schema of its own. */
  params: v.unknown(),
  input: TaskInput,
  limits: TaskLimits,
  /** Equal results that settle the task where it is checked, and how many may be asked for to get there. */
  replication: v.pipe(
    v.strictObject({ quorum: positive(TASK_LIMITS.replicas), most: positive(TASK_LIMITS.replicas) }),
    v.check(({ quorum, most }) => quorum <= most, "a quorum that may be reached"),
  ),
  /** Microcredits that the requester offers for it. */
  reward: natural(TASK_LIMITS.reward),
});
export type Task = v.InferOutput<typeof Task>;

const DAG_CBOR = 0x71;
const SHA2_256 = 0x12;

/** The task in canonical bytes. Throws BAD_INPUT where it breaks the limits, or holds what CBOR has no word for (NaN, functions). */
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

/** What a volunteer says first on a link, and again when it changes. */
export const OfferFrame = v.strictObject({
  kind: v.literal("offer"),
  version: natural(2 ** 16),
  kinds: v.pipe(
    v.array(
      v.strictObject({
        kind: kindName,
        version: positive(1000),
        /** Names the machines that give the same bytes as this one, where not all do: runtime, its form, how it was probed. */
        determinismClass: v.optional(v.pipe(v.string(), v.maxLength(TASK_LIMITS.classLength))),
      }),
    ),
    v.maxLength(TASK_LIMITS.kinds),
  ),
  /** Tasks that it computes at once; 0: none now. */
  slots: natural(TASK_LIMITS.slots),
});
export type OfferFrame = v.InferOutput<typeof OfferFrame>;

const batch = <const Item extends v.GenericSchema>(item: Item) => v.pipe(v.array(item), v.minLength(1), v.maxLength(TASK_LIMITS.batch));

/** Requester to volunteer. Payload: the tasks' canonical bytes, one after the other. */
const LendFrame = v.strictObject({
  kind: v.literal("lend"),
  leases: batch(v.strictObject({ lease: leaseNumber, sizeBytes: positive(TASK_LIMITS.taskBytes) })),
});

/** Volunteer to requester: what keeps the leases. `step` goes up with the work. */
const ProgressFrame = v.strictObject({
  kind: v.literal("progress"),
  leases: batch(v.strictObject({ lease: leaseNumber, step: natural(Number.MAX_SAFE_INTEGER) })),
});

/** Volunteer to requester: computed. The digest binds the result to its maker before anybody is shown one. */
const CommitFrame = v.strictObject({
  kind: v.literal("commit"),
  commits: batch(v.strictObject({ lease: leaseNumber, digest: hash })),
});

/** Requester to volunteer: show it, as this replica, worth so many units. */
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
      /** Drawn by the volunteer: a commitment to a guessable result tells nothing. */
      salt: v.pipe(v.instance(Uint8Array), v.length(16)),
      /** The worker's signature under its claim; null where it works for nothing. */
      claim: v.nullable(
        v.strictObject({ finishedMs: natural(Number.MAX_SAFE_INTEGER), signature: v.pipe(v.instance(Uint8Array), v.length(64)) }),
      ),
    }),
  ),
});

/**
 * `fault`: the task itself fails, by its program or its limits. `unknown-kind`, `bad-task`: not for this volunteer.
 * `busy`: not now. `unavailable`: its tiles were not to be had.
 */
export const RefusalReason = v.picklist(["fault", "unknown-kind", "bad-task", "busy", "unavailable"]);
export type RefusalReason = v.InferOutput<typeof RefusalReason>;

const RefuseFrame = v.strictObject({
  kind: v.literal("refuse"),
  lease: leaseNumber,
  reason: RefusalReason,
  message: v.pipe(v.string(), v.maxLength(400)),
});

/** Requester to volunteer: nobody wants these any more. */
const CancelFrame = v.strictObject({ kind: v.literal("cancel"), leases: batch(leaseNumber) });

/**
 * Requester to volunteer: sign that you got this result, or another one, where you did. Payload: statements in canonical
 * CBOR. `ask` counts up with each.
 */
const WitnessFrame = v.strictObject({
  kind: v.literal("witness"),
  asks: batch(v.strictObject({ ask: leaseNumber, sizeBytes: positive(RECEIPT_LIMITS.bytes) })),
});

/** Volunteer to requester: its signature under the statement; null where it did not get that. */
const WitnessedFrame = v.strictObject({
  kind: v.literal("witnessed"),
  answers: batch(v.strictObject({ ask: leaseNumber, signature: v.nullable(v.pipe(v.instance(Uint8Array<ArrayBuffer>), v.length(64))) })),
});

/** Requester to volunteer: the receipts of its work, complete. Payload: receipts in canonical CBOR. */
const ReceiptFrame = v.strictObject({
  kind: v.literal("receipt"),
  sizes: batch(positive(RECEIPT_LIMITS.bytes)),
});

const ToVolunteer = v.variant("kind", [LendFrame, RevealFrame, CancelFrame, WitnessFrame, ReceiptFrame]);
export type ToVolunteer = v.InferOutput<typeof ToVolunteer>;
const ToRequester = v.variant("kind", [OfferFrame, ProgressFrame, CommitFrame, ResultFrame, RefuseFrame, WitnessedFrame]);
export type ToRequester = v.InferOutput<typeof ToRequester>;
export type TaskClaim = v.InferOutput<typeof ResultFrame>["results"][number]["claim"];

/** Reads what a requester sent. Throws FRAME_MALFORMED. */
export const readToVolunteer = (header: unknown): ToVolunteer => readAs(ToVolunteer, header, "a frame for a volunteer");
/** Reads what a volunteer sent. Throws FRAME_MALFORMED. */
export const readToRequester = (header: unknown): ToRequester => readAs(ToRequester, header, "a frame for a requester");

/** What a frame lists, each with its own bytes of the payload. Throws SIZE_MISMATCH. */
export function pairPayload<Item extends { readonly sizeBytes: number }>(
  payload: Uint8Array,
  items: readonly Item[],
): readonly (readonly [Item, Uint8Array<ArrayBuffer>])[] {
  const sizes = items.map(({ sizeBytes }) => sizeBytes);
  return cutPayload(payload, sizes).map((bytes, at) => [items[at] as Item, bytes]); // as many as items
}

const text = new TextEncoder();

/** What a worker commits to: SHA-256 over salt, worker, task, and the output's SHA-256. Nobody can commit to it under another name. */
export function commitment(salt: Uint8Array, worker: string, task: string, outputHash: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256
    .create()
    .update(salt)
    .update(text.encode(`${worker}\n${task}\n`))
    .update(outputHash)
    .digest();
}
