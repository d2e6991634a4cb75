// Credit for layers in this tab: its spans' tallies, the desk that signs for them, and what looks after its own answers.
import { AnswerReceipts } from "../../credit/answer-receipts.ts";
import { ReceiptClient } from "../../credit/receipt-client.ts";
import type { Signer } from "../../credit/ed25519.ts";
import { LayerClaims } from "../../credit/layer-claims.ts";
import { ReceiptService } from "../../credit/receipt-service.ts";
import { TallyBook } from "../../credit/tally-book.ts";
import type { PeerStandings } from "../../inference/audit/answer-audits.ts";
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { Directory } from "../../mesh/ports/directory.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import type { Receipt } from "../../protocol/receipt.ts";
import { PROTOCOLS } from "../../protocol/version.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Observable } from "../../shared/events.ts";
import type { Log } from "../../shared/log.ts";
import { AnswerSettlement } from "./answer-settlement.ts";

export interface LayerCreditDeps {
  readonly mesh: Pick<Mesh, "self" | "open" | "handle">;
  readonly directory: Pick<Directory, "swarm">;
  /** The spans that this tab holds. */
  readonly desk: Observable<SpanServiceEvents>;
  readonly signer: Signer;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
  readonly standings: PeerStandings;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** In [0, 1). */
  readonly fraction: () => number;
  readonly onNotice: (sentence: string) => void;
  readonly log: Log;
}

/** Serves other peers' questions from now on; the answer looks after this tab's own answers. */
export function startLayerCredit(deps: LayerCreditDeps): AnswerSettlement {
  const { mesh, desk, clock, log } = deps;
  const book = new TallyBook(clock);
  desk.on("session:tallied", (tally) => book.add(tally));
  const claims = new LayerClaims({ ...deps, book });
  const receipts = new ReceiptService({ answer: (requester, question) => claims.answer(requester, question), log });
  mesh.handle(PROTOCOLS.receipt, (link) => receipts.accept(link));
  return new AnswerSettlement({
    ...deps,
    openReceipts: () => {
      const desks = new ReceiptClient(mesh, log);
      return { receipts: new AnswerReceipts({ ...deps, desks }), close: () => desks.close() };
    },
  });
}
