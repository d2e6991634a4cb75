// Credit for layers in this tab: its spans' tallies, the desk that signs for them, and what looks after its own answers.
import { ReceiptCollector } from "../../credit/receipt-collector.ts";
import { ReceiptClient } from "../../credit/receipt-client.ts";
import type { Signer } from "../../credit/ed25519.ts";
import { ReceiptResponder } from "../../credit/receipt-responder.ts";
import { ReceiptService } from "../../credit/receipt-service.ts";
import { SpanTallies } from "../../credit/span-tallies.ts";
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
  const tallies = new SpanTallies(clock);
  desk.on("session:tallied", (tally) => tallies.add(tally));
  const responder = new ReceiptResponder({ ...deps, tallies });
  const receipts = new ReceiptService({ reply: (requester, request) => responder.reply(requester, request), log });
  mesh.handle(PROTOCOLS.receipt, (link) => receipts.accept(link));
  return new AnswerSettlement({
    ...deps,
    openReceipts: () => {
      const client = new ReceiptClient(mesh, log);
      return { receipts: new ReceiptCollector({ ...deps, client }), close: () => client.close() };
    },
  });
}
