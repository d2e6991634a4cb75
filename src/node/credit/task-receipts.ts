// The requester's half of credit for tasks: checks claims, states verdicts, gathers the witnesses' signatures, and
// posts the receipts.
import { checkSignature, type Signer } from "../../credit/ed25519.ts";
import { type Signature, type SignedClaim, stateVerdict, withSignatures } from "../../credit/make-receipt.ts";
import { RECEIPT_RULES, verifyClaim } from "../../credit/verify-receipt.ts";
import { encodeReceipt, type Receipt, RECEIPT_VERSION, statementBytes, type Verdict } from "../../protocol/receipt.ts";
import { fromHex } from "../../shared/bytes.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { ClaimedResult, Dispatcher } from "../../tasks/dispatch/dispatcher.ts";
import type { Delivery, Settled } from "../../tasks/dispatch/task-record.ts";
import type { Witnesses } from "../../tasks/dispatch/witnesses.ts";
import { taskWork } from "./task-claims.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface TaskReceiptsOptions {
  readonly signer: Signer;
  readonly witnesses: Pick<Witnesses, "ask" | "sendReceipt">;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
  readonly log: Log;
}

/** Give `checkClaim` to a dispatcher, and `follow` its settlements. */
export class TaskReceipts {
  readonly #options: TaskReceiptsOptions;
  readonly #making = new Set<Promise<void>>();
  #forged = 0;

  constructor(options: TaskReceiptsOptions) {
    this.#options = options;
  }

  /** Claims that were refused because their signature is not their volunteer's. */
  get forged(): number {
    return this.#forged;
  }

  readonly checkClaim = async (result: ClaimedResult): Promise<boolean> => {
    const { claim, resultHash, volunteer } = result;
    const isOwn = await verifyClaim(this.#signed(result, volunteer, resultHash, claim));
    if (!isOwn) this.#forged++;
    return isOwn;
  };

  /** Makes receipts for all that this dispatcher settles from now on. Returns the function that stops it. */
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

  /** Resolves once every receipt for what is settled so far is kept for the ledger. */
  async made(): Promise<void> {
    while (this.#making.size > 0) await Promise.all(this.#making);
  }

  /**
   * One witness is enough: the first peer of those that agreed that signs. Without one, the work is paid as unchecked.
   */
  async #pay(settled: Settled, delivery: Delivery): Promise<void> {
    const claim = this.#claimOf(settled, delivery);
    if (claim === undefined) return;
    let receipt: Receipt | undefined;
    for (const witness of this.#others(settled, delivery)) {
      const stated = await this.#state(claim, "quorum", [witness], settled);
      const signature = await this.#signatureOf(witness, stated);
      if (signature === undefined) continue;
      receipt = withSignatures(stated, [signature]);
      break;
    }
    receipt ??= await this.#state(claim, "unchecked", [], settled);
    this.#options.witnesses.sendReceipt(delivery.peer, encodeReceipt(receipt));
    await this.#options.add(receipt);
  }

  /**
   * Posts the volunteer's own signature under the wrong result, with the signatures of as many peers that got the right
   * result as the ledger requires.
   */
  async #convict(settled: Settled, delivery: Delivery): Promise<void> {
    const claim = this.#claimOf(settled, delivery);
    if (claim === undefined) return;
    let candidates = this.#others(settled, delivery);
    while (candidates.length >= RECEIPT_RULES.convictionWitnesses) {
      const asked = candidates.slice(0, RECEIPT_RULES.convictionWitnesses);
      const stated = await this.#state(claim, "wrong", asked, settled);
      const replies = await Promise.all(asked.map((witness) => this.#signatureOf(witness, stated)));
      const signatures = replies.filter((signature) => signature !== undefined);
      if (signatures.length === asked.length) {
        await this.#options.add(withSignatures(stated, signatures));
        return;
      }
      const isSilent = (peer: PeerId): boolean => asked.includes(peer) && !signatures.some((signature) => signature.peer === peer);
      candidates = candidates.filter((peer) => !isSilent(peer));
    }
    this.#options.log.info("a wrong result is known here, but too few peers sign for it", { peer: delivery.peer, task: settled.id });
  }

  /**
   * The peers that agreed, without the volunteer and this peer; in an order that starts with another peer for each
   * volunteer.
   */
  #others({ agreed }: Settled, { peer }: Delivery): readonly PeerId[] {
    const at = agreed.findIndex((other) => other.peer === peer);
    const turned = [...agreed.slice(at + 1), ...agreed.slice(0, at + 1)];
    return turned.map((other) => other.peer).filter((other) => other !== peer && other !== this.#options.signer.peer);
  }

  #claimOf(settled: Settled, { peer, replica, digest, claim }: Delivery): SignedClaim | undefined {
    if (claim === null || peer === this.#options.signer.peer) return undefined;
    return this.#signed({ task: settled.id, kind: settled.kind, units: settled.units, replica }, peer, fromHex(digest), claim);
  }

  #signed(
    task: Pick<ClaimedResult, "task" | "kind" | "units" | "replica">,
    volunteer: PeerId,
    result: Bytes,
    { finishedMs, signature }: ClaimedResult["claim"],
  ): SignedClaim {
    const requester = this.#options.signer.peer;
    return {
      claim: { version: RECEIPT_VERSION, work: taskWork(task), worker: volunteer, requester, result, finishedMs },
      signature: { peer: volunteer, signature },
    };
  }

  #state(claim: SignedClaim, verdict: Verdict, witnesses: PeerId[], { reservation }: Settled): Promise<Receipt> {
    return stateVerdict(this.#options.signer, claim, { verdict, witnesses, reservation });
  }

  /** A witness's signature under the statement; undefined if it does not sign, or its signature is wrong. */
  async #signatureOf(witness: PeerId, { statement }: Receipt): Promise<Signature | undefined> {
    const signature = await this.#options.witnesses.ask(witness, encodeReceipt(statement));
    const isIts = signature !== undefined && (await checkSignature(witness, statementBytes(statement), signature));
    return isIts ? { peer: witness, signature } : undefined;
  }

  #spawn(making: Promise<void>): void {
    const tracked = making
      .catch((error: unknown) => this.#options.log.warn("a receipt could not be made", { error: String(error) }))
      .finally(() => this.#making.delete(tracked));
    this.#making.add(tracked);
  }
}
