// Frames between a peer and the relay's ledger: receipts and their outcomes, the account,
// reservations, storage challenges.
import * as v from "valibot";
import { hash, natural, readAs } from "./fields.ts";
import { RECEIPT_LIMITS, ReservationId } from "./receipt.ts";

export const CREDIT_LIMITS = Object.freeze({
  /** Receipts in one frame: one transaction of the ledger, about ten milliseconds. */
  receipts: 32,
  /** Rows of history in one reply: a few screens. */
  history: 50,
  /** Microcredits of one reservation: more than anything costs, and far below the largest safe integer. */
  amount: 1_000_000_000_000,
  /** Milliseconds for which a reservation may hold: long enough for a long answer. */
  reserveMs: 60 * 60_000,
  /** Bytes of a tile that one challenge asks for. */
  challengeBytes: 64 * 1024,
  tileBytes: 1024 * 1024,
});

const count = natural(Number.MAX_SAFE_INTEGER);
const amount = v.pipe(v.number(), v.safeInteger());
/** Counts up with each request of a stream. The reply carries the same number. */
const id = natural(Number.MAX_SAFE_INTEGER);

export const CreditRequest = v.variant("kind", [
  /** Payload: receipts in canonical CBOR. */
  v.strictObject({
    kind: v.literal("post"),
    id,
    sizes: v.pipe(v.array(v.pipe(natural(RECEIPT_LIMITS.bytes), v.minValue(1))), v.minLength(1), v.maxLength(CREDIT_LIMITS.receipts)),
  }),
  v.strictObject({ kind: v.literal("account"), id }),
  v.strictObject({
    kind: v.literal("reserve"),
    id,
    reservation: ReservationId,
    amount: v.pipe(natural(CREDIT_LIMITS.amount), v.minValue(1)),
    /** Milliseconds from the moment at which the relay reads the frame: only the relay's own clock counts. */
    forMs: v.pipe(natural(CREDIT_LIMITS.reserveMs), v.minValue(1)),
  }),
  v.strictObject({ kind: v.literal("release"), id, reservation: ReservationId }),
  /** Reply to the challenge of that id; null if the peer does not have the tile. */
  v.strictObject({ kind: v.literal("proof"), id, proof: v.nullable(hash) }),
]);
export type CreditRequest = v.InferOutput<typeof CreditRequest>;

/** Why a receipt is not paid. `unfunded` and `too-early` may pass; the others never do. */
export const ReceiptRefusal = v.picklist([
  "malformed",
  "bad-signature",
  "missing-signature",
  "self-dealing",
  "unknown-model",
  "unknown-kind",
  "bad-span",
  "worthless",
  "too-early",
  "too-old",
  "too-few-witnesses",
  "conflict",
  "unfunded",
]);
export type ReceiptRefusal = v.InferOutput<typeof ReceiptRefusal>;

/** What became of one receipt. Amounts are microcredits. */
export const Outcome = v.variant("kind", [
  /** Paid now. The part `escrowed` of `amount` waits until the peer that did the work is trusted. */
  v.strictObject({ kind: v.literal("posted"), amount: count, escrowed: count }),
  /** The same work was paid before: no credit moved. */
  v.strictObject({ kind: v.literal("already") }),
  /** The result was wrong: the peer lost its trust, and this much was taken back. */
  v.strictObject({ kind: v.literal("convicted"), takenBack: count }),
  v.strictObject({ kind: v.literal("refused"), reason: ReceiptRefusal }),
]);
export type Outcome = v.InferOutput<typeof Outcome>;

/** One movement in an account. */
export interface HistoryRow {
  /** Counts up with each event of the ledger. */
  readonly event: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The cause: `receipt`, `trusted`, `wrong`, `reserve`, `release`, `expire`, `storage`. */
  readonly why: string;
  readonly part: "available" | "escrow" | "reserved";
  /** Microcredits; negative if they left. */
  readonly amount: number;
  /** A few words about the work that was paid for. */
  readonly about: string;
}
export const HistoryRow: v.GenericSchema<unknown, HistoryRow> = v.strictObject({
  event: count,
  atMs: count,
  why: v.pipe(v.string(), v.maxLength(32)),
  part: v.picklist(["available", "escrow", "reserved"]),
  amount,
  about: v.pipe(v.string(), v.maxLength(200)),
});

/** One peer's account. Amounts are microcredits. */
export interface Account {
  readonly available: number;
  readonly escrow: number;
  readonly reserved: number;
  /** The part of the allowance that is left. An account without credit spends it, at low priority. */
  readonly starterLeft: number;
  readonly isTrusted: boolean;
  /** Checked receipts, and different requesters, that are still missing until the escrow is released. */
  readonly checksToTrust: number;
  readonly requestersToTrust: number;
  /** The relay's clock, milliseconds since 1970: a peer that signs times sees how far its own clock is off. */
  readonly nowMs: number;
  readonly history: readonly HistoryRow[];
}
export const Account: v.GenericSchema<unknown, Account> = v.strictObject({
  available: count,
  escrow: count,
  reserved: count,
  starterLeft: count,
  isTrusted: v.boolean(),
  checksToTrust: count,
  requestersToTrust: count,
  nowMs: count,
  history: v.pipe(v.array(HistoryRow), v.maxLength(CREDIT_LIMITS.history)),
});

export const CreditReply = v.variant("kind", [
  v.strictObject({ kind: v.literal("posted"), id, outcomes: v.pipe(v.array(Outcome), v.maxLength(CREDIT_LIMITS.receipts)) }),
  v.strictObject({ kind: v.literal("account"), id, account: Account }),
  /** `low`: at least a part of the amount comes out of the allowance. `refused`: there is not enough credit. */
  v.strictObject({ kind: v.literal("reserved"), id, priority: v.picklist(["normal", "low", "refused"]) }),
  v.strictObject({ kind: v.literal("released"), id }),
  /**
   * The relay did nothing. `busy`: too many requests; `unavailable`: the ledger cannot
   * write. Both are worth another try.
   */
  v.strictObject({ kind: v.literal("failed"), id, reason: v.picklist(["busy", "unavailable"]) }),
  /** The relay asks for the SHA-256 of the nonce and bytes `[start, end)` of the tile, within seconds. */
  v.strictObject({
    kind: v.literal("challenge"),
    id,
    tile: hash,
    start: natural(CREDIT_LIMITS.tileBytes),
    end: natural(CREDIT_LIMITS.tileBytes),
    nonce: v.pipe(v.instance(Uint8Array), v.length(16)),
  }),
]);
export type CreditReply = v.InferOutput<typeof CreditReply>;

/** Reads a header that a peer sent. Throws FRAME_MALFORMED. */
export const readCreditRequest = (header: unknown): CreditRequest => readAs(CreditRequest, header, "a credit request");
/** Reads a header that the relay sent. Throws FRAME_MALFORMED. */
export const readCreditReply = (header: unknown): CreditReply => readAs(CreditReply, header, "a credit reply");
