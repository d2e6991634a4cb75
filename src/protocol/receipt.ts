// The receipt: it says which work was done for whom and under which verdict, in canonical
// bytes that the parties sign. This file has its shape and its bytes only.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { concatBytes } from "../shared/bytes.ts";
import { ManyhandsError } from "../shared/errors.ts";
import { asPeerId, type PeerId } from "../shared/ids.ts";
import { hash, hex32, modelId, natural, range, readAs, sessionId, signature } from "./fields.ts";
import { LIMITS } from "./version.ts";

/** Raised with every change of the bytes that are signed. A receipt of another version is refused. */
export const RECEIPT_VERSION = 1;

export const RECEIPT_LIMITS = Object.freeze({
  /**
   * Bytes of a receipt, or of the part that is signed: at most two keys, two hashes and
   * eight signatures, which take 2.2 KB.
   */
  bytes: 4096,
  /** Peers that sign a verdict beside the requester: two neighbours, or the other peers of a quorum. */
  witnesses: 6,
  /** Units of one task. A task that is worth more is split. */
  units: 1_000_000_000,
  /** Positions that one receipt covers. A session with a long context makes several receipts. */
  positions: 1_000_000,
  replicas: 1000,
});

/** An Ed25519 key in libp2p's text form. */
export const PeerKey = v.pipe(
  v.string(),
  v.regex(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/, "expected an Ed25519 peer id"),
  v.transform(asPeerId),
);
export const ReservationId = hex32;

export const LayerWork = v.strictObject({
  kind: v.literal("layers"),
  model: modelId,
  session: sessionId,
  span: range(LIMITS.layers),
  /** New positions that went through the span, as its neighbours counted them. */
  positions: range(RECEIPT_LIMITS.positions),
  /**
   * The peer that sent the frames, and the one that got them: the requester at the ends of
   * the route. Both have to sign.
   */
  upstream: PeerKey,
  downstream: PeerKey,
});

export type LayerWork = v.InferOutput<typeof LayerWork>;

const TaskWork = v.strictObject({
  kind: v.literal("task"),
  /** CID of the task. */
  task: v.pipe(v.string(), v.regex(/^[a-z0-9]{8,128}$/, "expected a CID")),
  taskKind: v.pipe(v.string(), v.regex(/^[a-z_]{1,32}$/, "expected the name of a kind")),
  /** In the kind's unit, by the requester's reference run: never by the claim of the peer that did the work. */
  units: v.pipe(natural(RECEIPT_LIMITS.units), v.minValue(1)),
  /** The number of the replica. Work that is done anew is a new replica. */
  replica: natural(RECEIPT_LIMITS.replicas),
});

export const Work = v.variant("kind", [LayerWork, TaskWork]);
export type Work = v.InferOutput<typeof Work>;

/** The peer that did the work signs it: this result is its own. */
export const Claim = v.strictObject({
  version: v.literal(RECEIPT_VERSION),
  work: Work,
  worker: PeerKey,
  requester: PeerKey,
  /** SHA-256 of the output. A later check is compared with it. */
  result: hash,
  /** When it was finished: milliseconds since 1970, by a clock that the requester did not object to. */
  finishedMs: natural(Number.MAX_SAFE_INTEGER),
});
export type Claim = v.InferOutput<typeof Claim>;

/**
 * `quorum`: replicas agreed. `audited`: another peer computed it again and got the same.
 * `unchecked`: spot checks left it out. `wrong`: witnesses got another result.
 */
export const Verdict = v.picklist(["quorum", "audited", "unchecked", "wrong"]);
export type Verdict = v.InferOutput<typeof Verdict>;

/** The requester and every witness sign it. */
export const Statement = v.strictObject({
  version: v.literal(RECEIPT_VERSION),
  claim: Claim,
  verdict: Verdict,
  /** The peers that computed it as well, or passed its frames on, beside worker and requester. */
  witnesses: v.pipe(v.array(PeerKey), v.maxLength(RECEIPT_LIMITS.witnesses)),
  /** The credit that the requester reserved for it; null if there is none. */
  reservation: v.nullable(ReservationId),
});
export type Statement = v.InferOutput<typeof Statement>;

export const Receipt = v.strictObject({
  statement: Statement,
  signatures: v.pipe(v.array(v.strictObject({ peer: PeerKey, signature })), v.maxLength(RECEIPT_LIMITS.witnesses + 2)),
});
export type Receipt = v.InferOutput<typeof Receipt>;

/** Reads a receipt of any origin. Throws FRAME_MALFORMED. */
export const readReceipt = (value: unknown): Receipt => readAs(Receipt, value, "a receipt");

/** Reads a receipt, or its signed part, from canonical CBOR of any origin. Throws FRAME_MALFORMED. */
export const decodeReceipt = (bytes: Uint8Array): Receipt => readReceipt(decoded(bytes));
export const decodeStatement = (bytes: Uint8Array): Statement => readAs(Statement, decoded(bytes), "a statement");

function decoded(bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new ManyhandsError("FRAME_MALFORMED", "a receipt is not CBOR", { cause });
  }
}

/** Canonical bytes of a receipt, or of a statement that a peer is asked to sign. */
export const encodeReceipt = (record: Receipt | Statement): Uint8Array<ArrayBuffer> => new Uint8Array(encode(record));

const text = new TextEncoder();
/** The kind goes into the bytes: a signature under one kind of record is not valid under another. */
const signed = (kind: string, record: object): Uint8Array<ArrayBuffer> =>
  concatBytes([text.encode(`manyhands/${kind}/${RECEIPT_VERSION}\n`), encode(record)]);

/** The bytes that the peer that did the work signs. */
export const claimBytes = (claim: Claim): Uint8Array<ArrayBuffer> => signed("claim", claim);
/** The bytes that the requester and the witnesses sign. */
export const statementBytes = (statement: Statement): Uint8Array<ArrayBuffer> => signed("statement", statement);

/**
 * The name of the work: a replica of a task, or positions of a session through a span, for one requester. Work of one
 * name is paid once, however many receipts there are for it.
 */
export function workId({ work, worker, requester }: Claim): string {
  switch (work.kind) {
    case "task":
      return `task/${requester}/${work.task}/${work.replica}`;
    case "layers":
      return `layers/${requester}/${worker}/${work.session}/${work.span.start}-${work.span.end}/${work.positions.start}-${work.positions.end}`;
  }
}

/**
 * The peers that have to sign the statement, each once: the requester, the span's
 * neighbours, the witnesses. Never the worker.
 */
export function statementSigners({ claim, witnesses }: Statement): readonly PeerId[] {
  const neighbours = claim.work.kind === "layers" ? [claim.work.upstream, claim.work.downstream] : [];
  return [...new Set([claim.requester, ...neighbours, ...witnesses])];
}
