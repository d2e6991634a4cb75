// The steps that make a receipt: the worker claims, the requester states the verdict, neighbours and witnesses
// countersign.
import { type Claim, claimBytes, type Receipt, RECEIPT_VERSION, type Statement, statementBytes } from "../protocol/receipt.ts";
import type { PeerId } from "../shared/ids.ts";
import type { Signer } from "./ed25519.ts";

export type Signature = Receipt["signatures"][number];

export interface SignedClaim {
  readonly claim: Claim;
  readonly signature: Signature;
}

/** What a worker did: `result` is the SHA-256 of the output, `finishedMs` is in milliseconds since 1970. */
export type Done = Omit<Claim, "version" | "worker">;

export const claimOf = (worker: PeerId, done: Done): Claim => ({ version: RECEIPT_VERSION, worker, ...done });

/** What a requester states about a claim. */
export type Ruling = Pick<Statement, "verdict" | "witnesses" | "reservation">;

export const statementOf = (claim: Claim, ruling: Ruling): Statement => ({ version: RECEIPT_VERSION, claim, ...ruling });

const signatureOf = async (signer: Signer, message: Uint8Array<ArrayBuffer>): Promise<Signature> => ({
  peer: signer.peer,
  signature: await signer.sign(message),
});

/** Returns the claim that a worker sends with its result. */
export async function claimWork(worker: Signer, done: Done): Promise<SignedClaim> {
  const claim = claimOf(worker.peer, done);
  return { claim, signature: await signatureOf(worker, claimBytes(claim)) };
}

/**
 * Returns a receipt with the signatures of worker and requester. The requester has checked the claim with
 * `verifyClaim`.
 */
export async function stateVerdict(requester: Signer, { claim, signature }: SignedClaim, ruling: Ruling): Promise<Receipt> {
  const statement = statementOf(claim, ruling);
  return { statement, signatures: [signature, await signatureOf(requester, statementBytes(statement))] };
}

/**
 * Returns a neighbour's or witness's signature under a statement. The signer has compared the statement with the
 * positions that it sent or got, or with the result that it computed.
 */
export const countersign = (witness: Signer, statement: Statement): Promise<Signature> => signatureOf(witness, statementBytes(statement));

/** Returns the receipt with further signatures, at most one of each peer. */
export function withSignatures(receipt: Receipt, more: readonly Signature[]): Receipt {
  const known = new Set(receipt.signatures.map(({ peer }) => peer));
  return { ...receipt, signatures: [...receipt.signatures, ...more.filter(({ peer }) => !known.has(peer))] };
}
