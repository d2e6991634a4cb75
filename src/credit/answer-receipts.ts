// The requester's half of credit for layers: collects the claims of an answer's spans, states verdicts, gathers the neighbours' and
// witnesses' hands, and hands out the receipts.
import type { LayerWork, Receipt, Statement, Verdict } from "../protocol/receipt.ts";
import { encodeReceipt, statementBytes, statementSigners } from "../protocol/receipt.ts";
import type { ResultParts } from "../protocol/receipt-frames.ts";
import { bytesEqual } from "../shared/bytes.ts";
import type { PeerId, SessionId } from "../shared/ids.ts";
import type { ReceiptClient } from "./receipt-client.ts";
import { checkSignature, type Signer } from "./ed25519.ts";
import { layerResult } from "./layer-result.ts";
import { type Signature, type SignedClaim, stateVerdict, withSignatures } from "./make-receipt.ts";
import { sameLayerWork } from "./same-layer-work.ts";
import { DEFAULTS as RULES, verifyClaim } from "./verify-receipt.ts";

/** What the requester knows of one span's part of an answer. */
export interface HopFacts extends Omit<LayerWork, "kind"> {
  readonly worker: PeerId;
  /** What its neighbours, or the requester itself, say that went in and came out. */
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  /** As it announces it; undefined where that is not known. */
  readonly determinismClass: string | undefined;
}

/** A claim that says what the requester knows. */
export interface CheckedClaim {
  readonly signed: SignedClaim;
  readonly parts: ResultParts;
}

export interface StatedVerdict {
  readonly verdict: Verdict;
  /** Those who computed it again, and under which names. */
  readonly witnesses: ReadonlyMap<PeerId, SessionId>;
}

export interface AnswerReceiptsDeps {
  readonly signer: Signer;
  readonly desks: Pick<ReceiptClient, "ask">;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
}

export class AnswerReceipts {
  readonly #deps: AnswerReceiptsDeps;

  constructor(deps: AnswerReceiptsDeps) {
    this.#deps = deps;
  }

  /** Undefined where the worker does not claim, or claims something else than what is known. */
  async claim(facts: HopFacts): Promise<CheckedClaim | undefined> {
    const { worker, session, span, positions } = facts;
    const told = await this.#deps.desks.ask(worker, { kind: "claim", session, span, positions }, "claimed");
    if (told === undefined) return undefined;
    const { claim, signature, parts } = told;
    const isOwn = claim.worker === worker && claim.requester === this.#deps.signer.peer;
    const isKnown = bytesEqual(parts.input, facts.input) && bytesEqual(parts.output, facts.output);
    const isClass = (facts.determinismClass ?? parts.determinismClass) === parts.determinismClass;
    if (!isOwn || !isKnown || !isClass || !sameLayerWork(claim.work, facts) || !bytesEqual(claim.result, layerResult(parts)))
      return undefined;
    const signed: SignedClaim = { claim, signature: { peer: worker, signature } };
    return (await verifyClaim(signed)) ? { signed, parts } : undefined;
  }

  /**
   * The receipt, kept for the ledger here and at the worker. Undefined where a hand is missing that the ledger wants: a
   * neighbour's is not, where somebody computed the work again; an audit that nobody signs for is none.
   */
  async settle(claimed: CheckedClaim, stated: StatedVerdict): Promise<Receipt | undefined> {
    const { signer, desks, add } = this.#deps;
    const { verdict } = stated;
    const receipt = verdict === "unchecked" ? await this.#signed(claimed, verdict, new Map()) : await this.#witnessed(claimed, stated);
    if (receipt === undefined) return undefined;
    await add(receipt);
    const { worker } = claimed.signed.claim;
    if (verdict !== "wrong" && worker !== signer.peer)
      await desks.ask(worker, { kind: "receipt", receipt: encodeReceipt(receipt) }, "kept");
    return receipt;
  }

  /** With as many witnesses as sign. */
  async #witnessed(claimed: CheckedClaim, { verdict, witnesses }: StatedVerdict): Promise<Receipt | undefined> {
    const least = verdict === "wrong" ? RULES.convictionWitnesses : 1;
    // This tab's own hand is under the statement already.
    let others = new Map([...witnesses].filter(([peer]) => peer !== this.#deps.signer.peer));
    while (others.size >= least) {
      const { statement } = await this.#state(claimed, verdict, [...others.keys()]);
      const hands = await Promise.all([...others].map(([peer, audit]) => this.#hand(peer, statement, claimed, audit)));
      const silent = [...others.keys()].filter((_, index) => hands[index] === undefined);
      if (silent.length === 0) return this.#signed(claimed, verdict, others);
      others = new Map([...others].filter(([peer]) => !silent.includes(peer)));
    }
    return verdict === "audited" ? this.#signed(claimed, "unchecked", new Map()) : undefined;
  }

  async #signed(claimed: CheckedClaim, verdict: Verdict, witnesses: ReadonlyMap<PeerId, SessionId>): Promise<Receipt | undefined> {
    const receipt = await this.#state(claimed, verdict, [...witnesses.keys()]);
    const { statement } = receipt;
    const wanted = statementSigners(statement).filter((peer) => peer !== this.#deps.signer.peer);
    const hands = await Promise.all(wanted.map((peer) => this.#hand(peer, statement, claimed, witnesses.get(peer) ?? null)));
    const isMissing = wanted.some((peer, index) => hands[index] === undefined && (verdict !== "audited" || witnesses.has(peer)));
    return isMissing
      ? undefined
      : withSignatures(
          receipt,
          hands.filter((hand) => hand !== undefined),
        );
  }

  #state({ signed }: CheckedClaim, verdict: Verdict, witnesses: PeerId[]): Promise<Receipt> {
    return stateVerdict(this.#deps.signer, signed, { verdict, witnesses, reservation: null });
  }

  async #hand(peer: PeerId, statement: Statement, { parts }: CheckedClaim, audit: SessionId | null): Promise<Signature | undefined> {
    const told = await this.#deps.desks.ask(
      peer,
      { kind: "countersign", statement: encodeReceipt(statement), parts, audit },
      "countersigned",
    );
    if (told === undefined || !(await checkSignature(peer, statementBytes(statement), told.signature))) return undefined;
    return { peer, signature: told.signature };
  }
}
