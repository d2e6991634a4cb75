// Both halves of credit for layers in this tab: it signs for what its own spans computed, and settles its own answers.
import { ReceiptCollector } from "../../credit/receipt-collector.ts";
import type { Signer } from "../../credit/ed25519.ts";
import { ReceiptResponder } from "../../credit/receipt-responder.ts";
import { ReceiptClient } from "../../credit/receipt-client.ts";
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

export interface LayerCreditOptions {
  readonly mesh: Pick<Mesh, "self" | "open" | "handle">;
  readonly directory: Pick<Directory, "swarm">;
  /** The spans that this tab holds. */
  readonly spans: Observable<SpanServiceEvents>;
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

/** Starts both halves, and returns the one that settles this tab's answers. */
export function startLayerCredit(options: LayerCreditOptions): AnswerSettlement {
  serveClaims(options);
  const { mesh, log } = options;
  return new AnswerSettlement({
    ...options,
    openReceipts: () => {
      const client = new ReceiptClient(mesh, log);
      return { receipts: new ReceiptCollector({ ...options, client }), close: () => client.close() };
    },
  });
}

/** Counts what this tab's spans compute, and replies to requesters that ask for claims and countersignatures of it. */
function serveClaims({ mesh, spans, signer, add, clock, now, log }: LayerCreditOptions): void {
  const tallies = new SpanTallies(clock);
  spans.on("session:tallied", (tally) => tallies.add(tally));
  const responder = new ReceiptResponder({ signer, tallies, add, now });
  const service = new ReceiptService({ reply: (requester, request) => responder.reply(requester, request), log });
  mesh.handle(PROTOCOLS.receipt, (link) => service.accept(link));
}
