// Makes a receipt: the worker claims, the requester states the verdict, neighbours and witnesses countersign. Pure.
import { type Claim, claimBytes, type Receipt, RECEIPT_VERSION, type Statement, statementBytes, type Work } from "../protocol/receipt.ts";
import type { PeerId } from "../shared/ids.ts";
import type { Signer } from "./ed25519.ts";

/** One party's hand under a receipt. */
export type Signature = Receipt["signatures"][number];

export interface SignedClaim {
  readonly claim: Claim;
  readonly signature: Signature;
}

const signatureOf = (signer: Signer, message: Uint8Array): Signature => ({ peer: signer.peer, signature: signer.sign(message) });

/** What the worker hands over with its result. `result`: SHA-256 of the output. `finishedMs`: milliseconds since 1970. */
export function claimWork(
  worker: Signer,
  done: { readonly work: Work; readonly requester: PeerId; readonly result: Uint8Array<ArrayBuffer>; readonly finishedMs: number },
): SignedClaim {
  const claim: Claim = { version: RECEIPT_VERSION, worker: worker.peer, ...done };
  return { claim, signature: signatureOf(worker, claimBytes(claim)) };
}

/** The requester's word on a claim that it has checked with `verifyClaim`: the receipt, signed by worker and requester. */
export function stateVerdict(
  requester: Signer,
  { claim, signature }: SignedClaim,
  verdict: Pick<Statement, "verdict" | "witnesses" | "reservation">,
): Receipt {
  const statement: Statement = { version: RECEIPT_VERSION, claim, ...verdict };
  return { statement, signatures: [signature, signatureOf(requester, statementBytes(statement))] };
}

/**
 * A neighbour's or witness's signature for a statement whose facts it has compared with its own: the positions that it
 * sent or got, or the result that it computed.
 */
export const countersign = (witness: Signer, statement: Statement): Signature => signatureOf(witness, statementBytes(statement));

/** The receipt with further signatures; one that is there already is not added. */
export function withSignatures(receipt: Receipt, more: readonly Signature[]): Receipt {
  const known = new Set(receipt.signatures.map(({ peer }) => peer));
  return { ...receipt, signatures: [...receipt.signatures, ...more.filter(({ peer }) => !known.has(peer))] };
}
