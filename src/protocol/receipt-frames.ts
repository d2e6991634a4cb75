// Frames between a requester and the peers that took part in an answer: claims,
// countersignatures, receipts. One request at a time; the replies come in order.
import * as v from "valibot";
import { hash, range, readAs, sessionId, signature } from "./fields.ts";
import { Claim, RECEIPT_LIMITS } from "./receipt.ts";
import { LIMITS } from "./version.ts";

/** The most bytes of a receipt or statement: one with all its witnesses takes 2.2 KB. */
const RECORD_BYTES = 8 * 1024;

const record = v.pipe(
  v.instance(Uint8Array),
  v.check((bytes) => bytes.byteLength <= RECORD_BYTES, "too long for a receipt"),
);

/** The parts that the result in a claim is made of: hashes of the input and the output, and the determinism class. */
const ResultParts = v.strictObject({ input: hash, output: hash, determinismClass: v.pipe(v.string(), v.maxLength(LIMITS.classLength)) });
export type ResultParts = v.InferOutput<typeof ResultParts>;

const ReceiptRequest = v.variant("kind", [
  /** To a peer that computed a span: claim what you computed at these positions. */
  v.strictObject({ kind: v.literal("claim"), session: sessionId, span: range(LIMITS.layers), positions: range(RECEIPT_LIMITS.positions) }),
  /** To a neighbour or a witness: sign the statement if it says what you saw. */
  v.strictObject({
    kind: v.literal("countersign"),
    statement: record,
    parts: ResultParts,
    /** The session under which a witness computed it again; null for a neighbour. */
    audit: v.nullable(sessionId),
  }),
  /** To the peer that did the work: here is your receipt. */
  v.strictObject({ kind: v.literal("receipt"), receipt: record }),
]);
export type ReceiptRequest = v.InferOutput<typeof ReceiptRequest>;

const ReceiptReply = v.variant("kind", [
  v.strictObject({ kind: v.literal("claimed"), claim: Claim, signature, parts: ResultParts }),
  v.strictObject({ kind: v.literal("countersigned"), signature }),
  v.strictObject({ kind: v.literal("kept") }),
  v.strictObject({ kind: v.literal("declined"), why: v.pipe(v.string(), v.maxLength(200)) }),
]);
export type ReceiptReply = v.InferOutput<typeof ReceiptReply>;

/** Reads a header that a requester sent. Throws FRAME_MALFORMED. */
export const readReceiptRequest = (header: unknown): ReceiptRequest => readAs(ReceiptRequest, header, "a request about a receipt");
/** Reads a header that came in reply. Throws FRAME_MALFORMED. */
export const readReceiptReply = (header: unknown): ReceiptReply => readAs(ReceiptReply, header, "a reply about a receipt");
