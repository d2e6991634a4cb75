// Appraises a stranger's receipt before the ledger posts it: checks signatures, parties and price. Writes nothing.
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { publicKeyOf } from "../../src/credit/ed25519.ts";
import { type ModelCost, priceWork } from "../../src/credit/price.ts";
import { type CheckSignature, findFault } from "../../src/credit/verify-receipt.ts";
import type { ReceiptRefusal } from "../../src/protocol/credit-frames.ts";
import { claimBytes, type Receipt, workId, type Work } from "../../src/protocol/receipt.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import { RecentMap } from "../../src/shared/recent-map.ts";
import { unitPrice } from "../../src/tasks/kinds/find-kind.ts";

/** A receipt that is in order. */
export interface Appraised {
  readonly kind: "sound";
  readonly receipt: Receipt;
  readonly workId: string;
  /** Hex SHA-256 of the claim. */
  readonly digest: string;
  /** Microcredits. */
  readonly price: number;
  /** What the work was, in a few words for the history. */
  readonly about: string;
}

export type Appraisal = Appraised | { readonly kind: "refused"; readonly reason: ReceiptRefusal };

export interface AppraiseOptions {
  /** Returns undefined for a model that this relay does not offer. */
  readonly costOf: (model: string) => ModelCost | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** DER in front of a raw Ed25519 public key (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
/** To read a key takes half as long as to check a signature with it, and one peer signs many receipts. */
const KEYS = new RecentMap<PeerId, KeyObject>(1024);

function keyOf(peer: PeerId): KeyObject {
  const key = KEYS.get(peer) ?? createPublicKey({ key: Buffer.concat([SPKI, publicKeyOf(peer)]), format: "der", type: "spki" });
  KEYS.set(peer, key);
  return key;
}

/** Checks with OpenSSL, in a tenth of the time that plain JavaScript takes. */
export const checkNative: CheckSignature = (peer, message, signature) => {
  try {
    return verify(null, message, keyOf(peer), signature);
  } catch {
    return false; // the peer id contains no key, or its key is not a point of the curve
  }
};

export function appraise(receipt: Receipt, { costOf, nowMs }: AppraiseOptions): Appraisal {
  const { claim } = receipt.statement;
  const price = priceWork(claim.work, claim.requester, { costOf, unitPrice });
  if (price.kind === "refused") return price; // cheaper to find out than a bad signature
  const fault = findFault(receipt, checkNative, nowMs);
  if (fault !== undefined) return { kind: "refused", reason: fault };
  return {
    kind: "sound",
    receipt,
    workId: workId(claim),
    digest: createHash("sha256").update(claimBytes(claim)).digest("hex"),
    price: price.micro,
    about: describe(claim.work),
  };
}

function describe(work: Work): string {
  if (work.kind === "task") return `${work.taskKind} ${work.task.slice(0, 24)}`;
  const tokens = work.positions.end - work.positions.start;
  return `${tokens} ${tokens === 1 ? "token" : "tokens"} through layers ${work.span.start} to ${work.span.end - 1}`;
}
