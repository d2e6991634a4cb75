// The half of credit for layers of those who took part in somebody's answer: claims what this peer computed, signs for neighbours
// and as a witness what it saw itself, keeps its receipts.
import type { Claim, LayerWork, Receipt, Statement } from "../protocol/receipt.ts";
import { claimBytes, decodeReceipt, decodeStatement } from "../protocol/receipt.ts";
import type { ReceiptReply, ReceiptRequest, ResultParts } from "../protocol/receipt-frames.ts";
import { bytesEqual, toHex } from "../shared/bytes.ts";
import type { PeerId } from "../shared/ids.ts";
import { RecentMap } from "../shared/recent-map.ts";
import type { SpanTally } from "../shared/span-tally.ts";
import type { Signer } from "./ed25519.ts";
import { layerResult } from "./layer-result.ts";
import { claimWork, countersign, type SignedClaim } from "./make-receipt.ts";
import { sameLayerWork } from "./same-layer-work.ts";
import type { TallyBook } from "./tally-book.ts";

const DEFAULTS = Object.freeze({
  /** Claims remembered: asked for again, the same is given, and a receipt has to be for one of them. */
  claims: 1024,
});

export interface LayerClaimsDeps {
  readonly signer: Signer;
  readonly book: TallyBook;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const declined = (why: string): ReceiptReply => ({ kind: "declined", why });

export class LayerClaims {
  readonly #deps: LayerClaimsDeps;
  /** By the bytes that were signed. */
  readonly #claims = new RecentMap<string, SignedClaim>(DEFAULTS.claims);

  constructor(deps: LayerClaimsDeps) {
    this.#deps = deps;
  }

  /** Answers `requester`. Throws FRAME_MALFORMED for a record that is none. */
  async answer(requester: PeerId, question: ReceiptRequest): Promise<ReceiptReply> {
    switch (question.kind) {
      case "claim":
        return this.#claim(requester, question);
      case "countersign":
        return this.#countersign(requester, decodeStatement(question.statement), question);
      case "receipt":
        return this.#keep(decodeReceipt(question.receipt));
    }
  }

  async #claim(requester: PeerId, key: Extract<ReceiptRequest, { readonly kind: "claim" }>): Promise<ReceiptReply> {
    const { signer, book, now } = this.#deps;
    const tally = await book.find(key);
    if (tally === undefined || tally.isAudit || tally.requester !== requester)
      return declined("nothing was computed here for you at these positions");
    if ([requester, tally.upstream, tally.downstream].includes(signer.peer)) return declined("this peer would have to sign for itself");
    const work = workOf(tally);
    const parts = partsOf(tally);
    const result = layerResult(parts);
    const known = [...this.#claims.values()].find(({ claim }) => bytesEqual(claim.result, result) && sameLayerWork(claim.work, work));
    const claim = known ?? (await claimWork(signer, { work, requester, result, finishedMs: Math.floor(now()) }));
    this.#claims.set(toHex(claimBytes(claim.claim)), claim);
    return { kind: "claimed", claim: claim.claim, signature: claim.signature.signature, parts };
  }

  async #countersign(
    requester: PeerId,
    statement: Statement,
    { parts, audit }: Extract<ReceiptRequest, { readonly kind: "countersign" }>,
  ): Promise<ReceiptReply> {
    const { signer } = this.#deps;
    const { claim, witnesses } = statement;
    const { work } = claim;
    if (work.kind !== "layers" || claim.requester !== requester || claim.worker === signer.peer)
      return declined("this is not for this peer to sign");
    if (!bytesEqual(layerResult(parts), claim.result)) return declined("the result is not made of these parts");
    const isNeighbour = work.upstream === signer.peer || work.downstream === signer.peer;
    const isWitness = witnesses.includes(signer.peer);
    if (!isNeighbour && !isWitness) return declined("this peer had no part in it");
    if (isNeighbour && !(await this.#sawBeside(claim, work, parts))) return declined("that is not what went through this peer");
    if (isWitness && !(await this.#sawAgain(requester, statement, work, { parts, audit })))
      return declined("that is not what this peer computed");
    return { kind: "countersigned", signature: (await countersign(signer, statement)).signature };
  }

  /** Whether the positions that went into the worker, or came out of it, are those that this peer sent or got. */
  async #sawBeside(
    { worker, requester }: Claim,
    { session, span, positions, upstream, downstream }: LayerWork,
    parts: ResultParts,
  ): Promise<boolean> {
    const { signer, book } = this.#deps;
    if (upstream === signer.peer) {
      const before = await book.beside({ session, positions }, ({ end }) => end === span.start);
      if (before?.requester !== requester || before.downstream !== worker || !bytesEqual(before.output, parts.input)) return false;
    }
    if (downstream === signer.peer) {
      const after = await book.beside({ session, positions }, ({ start }) => start === span.end);
      if (after?.requester !== requester || after.upstream !== worker || !bytesEqual(after.input, parts.output)) return false;
    }
    return true;
  }

  /** Whether the verdict is what this peer's own result says of the same input, in the same class. */
  async #sawAgain(
    requester: PeerId,
    { verdict }: Statement,
    { span, positions }: LayerWork,
    { parts, audit }: { readonly parts: ResultParts; readonly audit: SpanTally["session"] | null },
  ): Promise<boolean> {
    const mine = audit === null ? undefined : await this.#deps.book.find({ session: audit, span, positions });
    if (mine === undefined || !mine.isAudit || mine.requester !== requester) return false;
    if (mine.determinismClass !== parts.determinismClass || !bytesEqual(mine.input, parts.input)) return false;
    const isSame = bytesEqual(mine.output, parts.output);
    // Where bits depend on the steps, whoever sends them in others could make honest work look wrong.
    return verdict === "audited" ? isSame : verdict === "wrong" && !isSame && mine.rowInvariant;
  }

  async #keep(receipt: Receipt): Promise<ReceiptReply> {
    const { claim, verdict } = receipt.statement;
    if (verdict === "wrong" || !this.#claims.has(toHex(claimBytes(claim)))) return declined("this is no receipt of a claim of this peer");
    await this.#deps.add(receipt);
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
