// Whether a receipt is what it says: who has to have signed, whether they did, whether the parties are different ones.
import type { ReceiptRefusal } from "../protocol/credit-frames.ts";
import { claimBytes, type Receipt, statementBytes, statementSigners } from "../protocol/receipt.ts";
import type { PeerId } from "../shared/ids.ts";
import { checkSignature } from "./ed25519.ts";
import type { SignedClaim } from "./make-receipt.ts";

/** Whether `signature` is `peer`'s over `message`. */
export type CheckSignature = (peer: PeerId, message: Uint8Array, signature: Uint8Array) => boolean;

export const DEFAULTS = Object.freeze({
  /** Milliseconds that a party's clock may be ahead of ours: phones are seldom off by more than a minute or two. */
  aheadMs: 10 * 60_000,
  /** Milliseconds after which a receipt is no longer taken: a device that was away for a month's holiday. */
  ageMs: 35 * 24 * 3600_000,
  /** Peers that must have got another result, beside the requester, before a result is called wrong. */
  convictionWitnesses: 2,
});

/** Why a receipt is refused for what is in it; undefined where it is in order. `nowMs`: milliseconds since 1970. */
export function findFault(receipt: Receipt, check: CheckSignature, nowMs: number): ReceiptRefusal | undefined {
  const { statement, signatures } = receipt;
  const { claim, witnesses, verdict } = statement;
  const signers = statementSigners(statement);
  if (signers.includes(claim.worker)) return "self-dealing"; // the worker is its own requester, neighbour or witness
  if (witnesses.includes(claim.requester) || new Set(witnesses).size < witnesses.length) return "self-dealing";
  if (verdict === "wrong" && witnesses.length < DEFAULTS.convictionWitnesses) return "too-few-witnesses";
  if ((verdict === "quorum" || verdict === "audited") && witnesses.length < 1) return "too-few-witnesses";
  if (claim.finishedMs > nowMs + DEFAULTS.aheadMs) return "too-early";
  if (claim.finishedMs < nowMs - DEFAULTS.ageMs) return "too-old";
  const byPeer = new Map(signatures.map(({ peer, signature }) => [peer, signature]));
  if (byPeer.size < signatures.length) return "bad-signature"; // one peer, two signatures: one of them is for show
  // A neighbour that left without a word costs nobody else the pay, where somebody computed the work again.
  const needed = verdict === "audited" ? [claim.requester, ...witnesses] : signers;
  if ([claim.worker, ...needed].some((peer) => !byPeer.has(peer))) return "missing-signature";
  if ([...byPeer.keys()].some((peer) => peer !== claim.worker && !signers.includes(peer))) return "bad-signature"; // somebody who is no party
  const [claimed, stated] = [claimBytes(claim), statementBytes(statement)];
  for (const [peer, signature] of byPeer) {
    if (!check(peer, peer === claim.worker ? claimed : stated, signature)) return "bad-signature";
  }
  return undefined;
}

/** Whether a worker's claim is its own: to be asked before a verdict is stated. */
export const verifyClaim = async ({ claim, signature }: SignedClaim): Promise<boolean> =>
  signature.peer === claim.worker && checkSignature(claim.worker, claimBytes(claim), signature.signature);
