// The requester's side of receipts for layers. When an answer is over, it asks each span's worker for a claim, states a
// verdict on it, gathers the signatures of neighbours and witnesses, and keeps the finished receipt for the ledger.
// `receipt-responder.ts` is the side of the peers that it asks.
import type { LayerWork, Receipt, Statement, Verdict } from "../protocol/receipt.ts";
import { encodeReceipt, statementBytes, statementSigners } from "../protocol/receipt.ts";
import type { ResultParts } from "../protocol/receipt-frames.ts";
import { bytesEqual } from "../shared/bytes.ts";
import type { PeerId, SessionId } from "../shared/ids.ts";
import { checkSignature, type Signer } from "./ed25519.ts";
import { isSameLayerWork, layerResult } from "./layer-work.ts";
import { type Signature, type SignedClaim, stateVerdict, withSignatures } from "./make-receipt.ts";
import type { ReceiptClient } from "./receipt-client.ts";
import { RECEIPT_RULES, verifyClaim } from "./verify-receipt.ts";

/** What the requester knows of one span's part of an answer. */
export interface HopFacts extends Omit<LayerWork, "kind"> {
  readonly worker: PeerId;
  /** Hashes of what went in and what came out, from the neighbours' reports or from the requester itself. */
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  /** The worker's class as it announces it. Undefined if it is not known. */
  readonly determinismClass: string | undefined;
}

/** A claim that agrees with what the requester knows. */
export interface CheckedClaim {
  readonly signed: SignedClaim;
  readonly parts: ResultParts;
}

export interface StatedVerdict {
  readonly verdict: Verdict;
  /** The peers that computed the work again, and the session in which each of them did. */
  readonly witnesses: ReadonlyMap<PeerId, SessionId>;
}

export interface ReceiptCollectorOptions {
  readonly signer: Signer;
  readonly client: Pick<ReceiptClient, "ask">;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
}

export class ReceiptCollector {
  readonly #options: ReceiptCollectorOptions;

  constructor(options: ReceiptCollectorOptions) {
    this.#options = options;
  }

  /** Asks a worker for its claim. Returns undefined if it does not claim, or if its claim contradicts `facts`. */
  async claim(facts: HopFacts): Promise<CheckedClaim | undefined> {
    const { signer, client } = this.#options;
    const { worker, session, span, positions } = facts;
    const reply = await client.ask(worker, { kind: "claim", session, span, positions }, "claimed");
    if (reply === undefined) return undefined;
    const { claim, signature, parts } = reply;
    const isOwn = claim.worker === worker && claim.requester === signer.peer;
    const isKnown = bytesEqual(parts.input, facts.input) && bytesEqual(parts.output, facts.output);
    const isClass = (facts.determinismClass ?? parts.determinismClass) === parts.determinismClass;
    if (!isOwn || !isKnown || !isClass || !isSameLayerWork(claim.work, facts) || !bytesEqual(claim.result, layerResult(parts)))
      return undefined;
    const signed: SignedClaim = { claim, signature: { peer: worker, signature } };
    return (await verifyClaim(signed)) ? { signed, parts } : undefined;
  }

  /**
   * Makes the receipt for a claim, keeps it for the ledger, and sends the worker a copy unless the receipt convicts it.
   * Returns undefined if a signature is missing that the ledger requires. The neighbours have to sign, unless a witness
   * signs that it computed the same. At least `convictionWitnesses` witnesses have to sign a wrong result. An audit
   * that no witness signs makes an unchecked receipt.
   */
  async settle(claimed: CheckedClaim, stated: StatedVerdict): Promise<Receipt | undefined> {
    const { signer, client, add } = this.#options;
    const { verdict } = stated;
    const receipt = verdict === "unchecked" ? await this.#sign(claimed, verdict, new Map()) : await this.#signWitnessed(claimed, stated);
    if (receipt === undefined) return undefined;
    await add(receipt);
    const { worker } = claimed.signed.claim;
    if (verdict !== "wrong" && worker !== signer.peer)
      await client.ask(worker, { kind: "receipt", receipt: encodeReceipt(receipt) }, "kept");
    return receipt;
  }

  /** Makes a receipt that names those witnesses alone that sign it. */
  async #signWitnessed(claimed: CheckedClaim, { verdict, witnesses }: StatedVerdict): Promise<Receipt | undefined> {
    const least = verdict === "wrong" ? RECEIPT_RULES.convictionWitnesses : 1;
    // This peer signs the statement as the requester, so it is none of the witnesses.
    let willing = new Map([...witnesses].filter(([peer]) => peer !== this.#options.signer.peer));
    while (willing.size >= least) {
      const { statement } = await this.#state(claimed, verdict, [...willing.keys()]);
      const signatures = await Promise.all([...willing].map(([peer, audit]) => this.#askToSign(peer, statement, claimed, audit)));
      const silent = [...willing.keys()].filter((_, index) => signatures[index] === undefined);
      if (silent.length === 0) return this.#sign(claimed, verdict, willing);
      willing = new Map([...willing].filter(([peer]) => !silent.includes(peer)));
    }
    return verdict === "audited" ? this.#sign(claimed, "unchecked", new Map()) : undefined;
  }

  /** Makes a receipt with the signatures of all its parties. Only an audited one may lack those of neighbours. */
  async #sign(claimed: CheckedClaim, verdict: Verdict, witnesses: ReadonlyMap<PeerId, SessionId>): Promise<Receipt | undefined> {
    const receipt = await this.#state(claimed, verdict, [...witnesses.keys()]);
    const { statement } = receipt;
    const others = statementSigners(statement).filter((peer) => peer !== this.#options.signer.peer);
    const signatures = await Promise.all(others.map((peer) => this.#askToSign(peer, statement, claimed, witnesses.get(peer) ?? null)));
    const isMissing = others.some((peer, index) => signatures[index] === undefined && (verdict !== "audited" || witnesses.has(peer)));
    if (isMissing) return undefined;
    return withSignatures(
      receipt,
      signatures.filter((signature) => signature !== undefined),
    );
  }

  #state({ signed }: CheckedClaim, verdict: Verdict, witnesses: PeerId[]): Promise<Receipt> {
    return stateVerdict(this.#options.signer, signed, { verdict, witnesses, reservation: null });
  }

  /**
   * Returns the peer's signature under `statement`, or undefined. `audit`: the session in which a witness computed the
   * work.
   */
  async #askToSign(peer: PeerId, statement: Statement, { parts }: CheckedClaim, audit: SessionId | null): Promise<Signature | undefined> {
    const request = { kind: "countersign", statement: encodeReceipt(statement), parts, audit } as const;
    const reply = await this.#options.client.ask(peer, request, "countersigned");
    if (reply === undefined || !(await checkSignature(peer, statementBytes(statement), reply.signature))) return undefined;
    return { peer, signature: reply.signature };
  }
}
