// The lender's side of receipts for layers. A requester asks the peers that took part in its answer, and this peer
// replies from its own tallies: it claims what it computed, countersigns another peer's claim if it saw the same as a
// neighbour or computed the same as a witness, and keeps the receipts of its claims. `receipt-collector.ts` is the
// requester's side.
import type { Claim, LayerWork, Receipt, Statement } from "../protocol/receipt.ts";
import { claimBytes, decodeReceipt, decodeStatement } from "../protocol/receipt.ts";
import type { ReceiptReply, ReceiptRequest, ResultParts } from "../protocol/receipt-frames.ts";
import { bytesEqual, toHex } from "../shared/bytes.ts";
import type { PeerId } from "../shared/ids.ts";
import { RecentMap } from "../shared/recent-map.ts";
import type { SpanTally } from "../shared/span-tally.ts";
import type { Signer } from "./ed25519.ts";
import { isSameLayerWork, layerResult } from "./layer-work.ts";
import { claimWork, countersign, type SignedClaim } from "./make-receipt.ts";
import type { SpanTallies } from "./span-tallies.ts";

const DEFAULTS = Object.freeze({
  /** Claims that are remembered. A repeated request gets the same claim, and a receipt is kept only for one of them. */
  claims: 1024,
});

export interface ReceiptResponderOptions {
  readonly signer: Signer;
  /** What this peer's spans computed. */
  readonly tallies: SpanTallies;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

type ClaimRequest = Extract<ReceiptRequest, { readonly kind: "claim" }>;
type CountersignRequest = Extract<ReceiptRequest, { readonly kind: "countersign" }>;

const declined = (why: string): ReceiptReply => ({ kind: "declined", why });

export class ReceiptResponder {
  readonly #options: ReceiptResponderOptions;
  /** This peer's claims, by the bytes that it signed. */
  readonly #claims = new RecentMap<string, SignedClaim>(DEFAULTS.claims);

  constructor(options: ReceiptResponderOptions) {
    this.#options = options;
  }

  /** Returns the reply to a request of `requester`. Throws FRAME_MALFORMED for bytes that are not a receipt. */
  async reply(requester: PeerId, request: ReceiptRequest): Promise<ReceiptReply> {
    switch (request.kind) {
      case "claim":
        return this.#claim(requester, request);
      case "countersign":
        return this.#countersign(requester, decodeStatement(request.statement), request);
      case "receipt":
        return this.#keep(decodeReceipt(request.receipt));
    }
  }

  /** Claims what a span of this peer computed for `requester`. */
  async #claim(requester: PeerId, request: ClaimRequest): Promise<ReceiptReply> {
    const { signer, tallies, now } = this.#options;
    const tally = await tallies.find(request);
    if (tally === undefined || tally.isAudit || tally.requester !== requester)
      return declined("nothing was computed here for you at these positions");
    if ([requester, tally.upstream, tally.downstream].includes(signer.peer)) return declined("this peer would have to sign for itself");
    const work = workOf(tally);
    const parts = partsOf(tally);
    const result = layerResult(parts);
    const earlier = [...this.#claims.values()].find(({ claim }) => bytesEqual(claim.result, result) && isSameLayerWork(claim.work, work));
    const signed = earlier ?? (await claimWork(signer, { work, requester, result, finishedMs: Math.floor(now()) }));
    this.#claims.set(toHex(claimBytes(signed.claim)), signed);
    return { kind: "claimed", claim: signed.claim, signature: signed.signature.signature, parts };
  }

  /** Signs the requester's statement about another peer's claim, if this peer's own tallies agree with it. */
  async #countersign(requester: PeerId, statement: Statement, { parts, audit }: CountersignRequest): Promise<ReceiptReply> {
    const { signer } = this.#options;
    const { claim, witnesses } = statement;
    const { work } = claim;
    if (work.kind !== "layers" || claim.requester !== requester || claim.worker === signer.peer)
      return declined("this is not for this peer to sign");
    if (!bytesEqual(layerResult(parts), claim.result)) return declined("the result is not made of these parts");
    const isNeighbour = work.upstream === signer.peer || work.downstream === signer.peer;
    const isWitness = witnesses.includes(signer.peer);
    if (!isNeighbour && !isWitness) return declined("this peer had no part in it");
    if (isNeighbour && !this.#agreesAsNeighbour(claim, work, parts)) return declined("that is not what went through this peer");
    if (isWitness && !(await this.#agreesAsWitness(requester, statement, work, { parts, audit })))
      return declined("that is not what this peer computed");
    return { kind: "countersigned", signature: (await countersign(signer, statement)).signature };
  }

  /**
   * Whether the claimed input is what this peer sent to the worker, if it is the upstream neighbour, and the claimed
   * output is what this peer received from the worker, if it is the downstream neighbour.
   */
  #agreesAsNeighbour(
    { worker, requester }: Claim,
    { session, span, positions, upstream, downstream }: LayerWork,
    parts: ResultParts,
  ): boolean {
    const { signer, tallies } = this.#options;
    if (upstream === signer.peer) {
      const before = tallies.findNeighbour({ session, positions }, ({ end }) => end === span.start);
      if (before?.requester !== requester || before.downstream !== worker || !bytesEqual(before.output, parts.input)) return false;
    }
    if (downstream === signer.peer) {
      const after = tallies.findNeighbour({ session, positions }, ({ start }) => start === span.end);
      if (after?.requester !== requester || after.upstream !== worker || !bytesEqual(after.input, parts.output)) return false;
    }
    return true;
  }

  /**
   * Whether the verdict follows from what this peer computed itself from the same input, in the same determinism class.
   */
  async #agreesAsWitness(
    requester: PeerId,
    { verdict }: Statement,
    { span, positions }: LayerWork,
    { parts, audit }: Pick<CountersignRequest, "parts" | "audit">,
  ): Promise<boolean> {
    const mine = audit === null ? undefined : await this.#options.tallies.find({ session: audit, span, positions });
    if (mine === undefined || !mine.isAudit || mine.requester !== requester) return false;
    if (mine.determinismClass !== parts.determinismClass || !bytesEqual(mine.input, parts.input)) return false;
    const isSame = bytesEqual(mine.output, parts.output);
    // If bits depend on how positions are grouped into steps, other steps could make honest work look wrong.
    return verdict === "audited" ? isSame : verdict === "wrong" && !isSame && mine.rowInvariant;
  }

  /** Keeps a receipt that pays a claim of this peer. */
  async #keep(receipt: Receipt): Promise<ReceiptReply> {
    const { claim, verdict } = receipt.statement;
    if (verdict === "wrong" || !this.#claims.has(toHex(claimBytes(claim)))) return declined("this is no receipt of a claim of this peer");
    await this.#options.add(receipt);
    return { kind: "kept" };
  }
}

const workOf = ({ model, session, span, positions, upstream, downstream }: SpanTally): LayerWork => ({
  kind: "layers",
  model,
  session,
  span,
  positions,
  upstream,
  downstream,
});

const partsOf = ({ input, output, determinismClass }: SpanTally): ResultParts => ({ input, output, determinismClass });
