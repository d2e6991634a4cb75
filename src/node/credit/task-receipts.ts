// The requester's half of credit for tasks: checks claims, states verdicts, gathers witnesses' hands, and posts the receipts.
import { checkSignature, type Signer } from "../../credit/ed25519.ts";
import { type Signature, type SignedClaim, stateVerdict, withSignatures } from "../../credit/make-receipt.ts";
import { RECEIPT_RULES, verifyClaim } from "../../credit/verify-receipt.ts";
import { encodeReceipt, type Receipt, RECEIPT_VERSION, statementBytes, type Verdict } from "../../protocol/receipt.ts";
import { fromHex } from "../../shared/bytes.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { Dispatcher } from "../../tasks/dispatch/dispatcher.ts";
import type { ClaimedWork } from "../../tasks/dispatch/dispatcher-options.ts";
import type { Delivery, Settled } from "../../tasks/dispatch/task-record.ts";
import type { Witnesses } from "../../tasks/dispatch/witnesses.ts";
import { taskWork } from "./task-claims.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface TaskReceiptsDeps {
  readonly signer: Signer;
  readonly witnesses: Pick<Witnesses, "ask" | "tell">;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
  readonly log: Log;
}

/** Hand `checkClaim` to a dispatcher, and `follow` its settlements. */
export class TaskReceipts {
  readonly #deps: TaskReceiptsDeps;
  readonly #making = new Set<Promise<void>>();
  #forged = 0;

  constructor(deps: TaskReceiptsDeps) {
    this.#deps = deps;
  }

  /** Claims that were refused because their signature is not their worker's. */
  get forged(): number {
    return this.#forged;
  }

  readonly checkClaim = async (work: ClaimedWork): Promise<boolean> => {
    const { claim, resultHash, worker } = work;
    const isOwn = await verifyClaim(this.#signed(work, worker, resultHash, claim));
    if (!isOwn) this.#forged++;
    return isOwn;
  };

  /** Makes receipts of what this dispatcher settles from now on. Answers the function that stops it. */
  follow(dispatcher: Pick<Dispatcher, "on">): () => void {
    const onSettled = (settled: Settled): void => {
      for (const delivery of settled.agreed) this.#spawn(this.#pay(settled, delivery));
      for (const delivery of settled.wrong) this.#spawn(this.#convict(settled, delivery));
    };
    const stops = [
      dispatcher.on("task:settled", onSettled),
      dispatcher.on("task:confirmed", onSettled),
      dispatcher.on("task:corrected", onSettled),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Resolves once every receipt of what is settled by now is kept for the ledger. */
  async made(): Promise<void> {
    while (this.#making.size > 0) await Promise.all(this.#making);
  }

  /** One witness is enough: the first of those who agreed that signs. Without one the work is paid as unchecked. */
  async #pay(settled: Settled, delivery: Delivery): Promise<void> {
    const claim = this.#claimOf(settled, delivery);
    if (claim === undefined) return;
    let receipt: Receipt | undefined;
    for (const witness of this.#others(settled, delivery)) {
      const stated = await this.#state(claim, "quorum", [witness], settled);
      const hand = await this.#hand(witness, stated);
      if (hand === undefined) continue;
      receipt = withSignatures(stated, [hand]);
      break;
    }
    receipt ??= await this.#state(claim, "unchecked", [], settled);
    this.#deps.witnesses.tell(delivery.peer, encodeReceipt(receipt));
    await this.#deps.add(receipt);
  }

  /** The worker's own signature under the wrong result, and the hands of as many as the ledger wants that got the right one. */
  async #convict(settled: Settled, delivery: Delivery): Promise<void> {
    const claim = this.#claimOf(settled, delivery);
    if (claim === undefined) return;
    let candidates = this.#others(settled, delivery);
    while (candidates.length >= RECEIPT_RULES.convictionWitnesses) {
      const asked = candidates.slice(0, RECEIPT_RULES.convictionWitnesses);
      const stated = await this.#state(claim, "wrong", asked, settled);
      const hands = (await Promise.all(asked.map((witness) => this.#hand(witness, stated)))).filter((hand) => hand !== undefined);
      if (hands.length === asked.length) {
        await this.#deps.add(withSignatures(stated, hands));
        return;
      }
      candidates = candidates.filter((peer) => !asked.includes(peer) || hands.some((hand) => hand.peer === peer)); // not who was silent
    }
    this.#deps.log.info("a wrong result is known here, but too few sign for it", { peer: delivery.peer, task: settled.id });
  }

  /** Those who agreed, beside the worker and this peer itself; in an order that gives everybody another first one. */
  #others({ agreed }: Settled, { peer }: Delivery): readonly PeerId[] {
    const at = agreed.findIndex((other) => other.peer === peer);
    const turned = [...agreed.slice(at + 1), ...agreed.slice(0, at + 1)];
    return turned.map((other) => other.peer).filter((other) => other !== peer && other !== this.#deps.signer.peer);
  }

  #claimOf(settled: Settled, { peer, replica, digest, claim }: Delivery): SignedClaim | undefined {
    if (claim === null || peer === this.#deps.signer.peer) return undefined;
    return this.#signed({ task: settled.id, kind: settled.kind, units: settled.units, replica }, peer, fromHex(digest), claim);
  }

  #signed(
    work: Pick<ClaimedWork, "task" | "kind" | "units" | "replica">,
    worker: PeerId,
    result: Bytes,
    { finishedMs, signature }: ClaimedWork["claim"],
  ): SignedClaim {
    const requester = this.#deps.signer.peer;
    return {
      claim: { version: RECEIPT_VERSION, work: taskWork(work), worker, requester, result, finishedMs },
      signature: { peer: worker, signature },
    };
  }

  #state(claim: SignedClaim, verdict: Verdict, witnesses: PeerId[], { reservation }: Settled): Promise<Receipt> {
    return stateVerdict(this.#deps.signer, claim, { verdict, witnesses, reservation });
  }

  /** A witness's signature under what is stated; undefined where it is not to be had. */
  async #hand(witness: PeerId, { statement }: Receipt): Promise<Signature | undefined> {
    const signature = await this.#deps.witnesses.ask(witness, encodeReceipt(statement));
    const isIts = signature !== undefined && (await checkSignature(witness, statementBytes(statement), signature));
    return isIts ? { peer: witness, signature } : undefined;
  }

  #spawn(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#deps.log.warn("a receipt could not be made", { error: String(error) }))
      .finally(() => this.#making.delete(tracked));
    this.#making.add(tracked);
  }
}
