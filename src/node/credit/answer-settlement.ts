// Settles this tab's answers when each is over: pays the spans of its route with receipts, and audits some of them.
import type { ReceiptCollector, CheckedClaim, HopFacts, StatedVerdict } from "../../credit/receipt-collector.ts";
import { type AnswerAuditsOptions, auditAnswer, drawAudits, type Finding } from "../../inference/audit/answer-audits.ts";
import { askCommitments, type Commitments } from "../../inference/audit/commitments.ts";
import { wireClass } from "../../inference/log/wire-form.ts";
import type { SessionRecord } from "../../inference/requester/session-record.ts";
import type { Directory } from "../../mesh/ports/directory.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { PeerId, SessionId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { peerName, peerTail } from "../../shared/peer-name.ts";
import { RecentMap } from "../../shared/recent-map.ts";
import { AvoidedPeers } from "./avoided-peers.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between the end of an answer and the first audit: the person may ask again at once. */
  restMs: 1_500,
  /** Milliseconds for which two peers are avoided if nobody could show which of their results is wrong. */
  doubtMs: 10 * 60_000,
  /** Sessions whose paid positions are remembered: as many as may be kept for another turn. */
  sessions: 64,
});

export interface AnswerSettlementOptions extends Omit<AnswerAuditsOptions, "peers" | "exclude"> {
  readonly directory: Pick<Directory, "swarm">;
  /** Opens the links over which the peers of one answer are asked for claims and signatures; `close` ends them. */
  readonly openReceipts: () => { readonly receipts: Pick<ReceiptCollector, "claim" | "settle">; readonly close: () => Promise<void> };
  readonly onNotice: (sentence: string) => void;
  readonly log: Log;
}

/**
 * One for each hop of the route, in order; undefined if the hop is this tab, or did not claim what its neighbours say.
 */
type Claims = readonly (CheckedClaim | undefined)[];

/** Makes the receipt of hop `index`. Does nothing without a claim to pay, or without a verdict to state. */
type PayHop = (index: number, verdict: StatedVerdict | undefined) => Promise<void>;

const UNCHECKED: StatedVerdict = { verdict: "unchecked", witnesses: new Map() };

export class AnswerSettlement {
  readonly avoidedPeers: AvoidedPeers;
  readonly #options: AnswerSettlementOptions;
  /** How many positions of a session have receipts. */
  readonly #paidPositions = new RecentMap<SessionId, number>(DEFAULTS.sessions);

  constructor(options: AnswerSettlementOptions) {
    this.#options = options;
    this.avoidedPeers = new AvoidedPeers(options.clock);
  }

  /**
   * Settles an answer of which every span holds the first `positions`:
   *
   * 1. Every span says what went into it and came out of it, before anybody knows which spans will be audited.
   * 2. Every span claims its work. A claim counts only if it says what the neighbours of the span say.
   * 3. Some spans are drawn for an audit.
   * 4. The claims of the other spans become receipts at once, with the verdict "unchecked".
   * 5. After a rest, other peers compute the parts of the drawn spans again, and their claims become receipts with what
   *    was found.
   *
   * Never rejects.
   */
  readonly settle = async (record: SessionRecord, positions: number): Promise<void> => {
    const { clock, log, mesh, openReceipts } = this.#options;
    if (positions === 0 || record.hops.every(({ hop }) => hop.peer === mesh.self)) return;
    // A turn that goes on from the middle of the last one may be shorter: all of it is paid, but it may be audited.
    const paid = this.#paidPositions.get(record.session) ?? 0;
    const isUnpaid = paid < positions;
    const range = { from: isUnpaid ? paid : 0, to: positions };
    const { receipts, close } = openReceipts();
    try {
      const commitments = await askCommitments(record, range, clock, record.signal);
      const claims = isUnpaid ? await this.#claims(receipts, record, commitments) : [];
      if (isUnpaid) this.#paidPositions.set(record.session, positions);
      const drawn = drawAudits(this.#auditOptions(record), record, lackingNeighbour(commitments, claims));
      log.debug("settling an answer", { committed: count(commitments.hops), claimed: count(claims), audited: drawn.size });

      const payHop: PayHop = (index, verdict) => this.#pay(receipts, claims[index], verdict);
      const unaudited = [...claims.keys()].filter((index) => !drawn.has(index));
      await Promise.all([...unaudited.map((index) => payHop(index, UNCHECKED)), this.#auditAndPay(record, commitments, drawn, payHop)]);
    } catch (error) {
      log.debug("an answer is settled no further", { error: errorMessage(error) });
    } finally {
      await close();
    }
  };

  #claims(receipts: Pick<ReceiptCollector, "claim">, record: SessionRecord, commitments: Commitments): Promise<Claims> {
    return Promise.all(
      record.hops.map(async ({ hop }, index) => {
        const facts = hop.peer === this.#options.mesh.self ? undefined : this.#factsOf(record, commitments, index);
        return facts && receipts.claim(facts);
      }),
    );
  }

  /** What a claim of hop `index` has to say to count; undefined if the hop said nothing in step 1. */
  #factsOf({ hops, model, session, terms }: SessionRecord, commitments: Commitments, index: number): HopFacts | undefined {
    const { mesh, directory } = this.#options;
    const { own, hops: committed, range } = commitments;
    const [hop, upstream, downstream] = [hops[index]?.hop, hops[index - 1]?.hop, hops[index + 1]?.hop];
    const said = committed[index];
    if (hop === undefined || said === undefined) return undefined;
    const announced = directory.swarm.peers.find((peer) => peer.peer === hop.peer && peer.model === model);
    return {
      model,
      session,
      worker: hop.peer,
      span: hop.span,
      positions: { start: range.from, end: range.to },
      upstream: upstream?.peer ?? mesh.self,
      downstream: downstream?.peer ?? mesh.self,
      // A neighbour may say nothing. Then the hop is believed here, and audited if there is an auditor.
      input: upstream === undefined ? own.tokens : (committed[index - 1]?.output ?? said.input),
      output: downstream === undefined ? own.logits : (committed[index + 1]?.input ?? said.output),
      determinismClass: announced?.determinismClass && wireClass(terms, announced.determinismClass),
    };
  }

  async #auditAndPay(record: SessionRecord, commitments: Commitments, drawn: ReadonlySet<number>, payHop: PayHop): Promise<void> {
    if (drawn.size === 0) return;
    const { clock, log } = this.#options;
    const unaudited = new Set(drawn);
    try {
      await clock.sleep(DEFAULTS.restMs, record.signal);
      for await (const finding of auditAnswer(this.#auditOptions(record), record, commitments, drawn, record.signal)) {
        this.#heed(finding);
        unaudited.delete(finding.index);
        await payHop(finding.index, verdictOf(finding));
      }
    } catch (error) {
      log.debug("an audit was given up", { error: errorMessage(error) }); // another answer goes on with the session, or it is closed
    }
    for (const index of unaudited) await payHop(index, UNCHECKED); // nobody could compute these parts again
  }

  async #pay(
    receipts: Pick<ReceiptCollector, "settle">,
    claim: CheckedClaim | undefined,
    verdict: StatedVerdict | undefined,
  ): Promise<void> {
    if (claim === undefined || verdict === undefined) return;
    const { worker } = claim.signed.claim;
    if (verdict.verdict !== "wrong" && this.avoidedPeers.has(worker)) return; // an audit found it wrong or in doubt
    const receipt = await receipts.settle(claim, verdict);
    if (receipt === undefined) this.#options.log.debug("work is not paid: a signature is missing", { worker });
  }

  /** Avoids the peers that an audit found wrong or in doubt, and says so to the person. */
  #heed({ judgement, index, peer }: Finding): void {
    const { onNotice, log } = this.#options;
    log.info("a part of an answer was computed again", { index, peer, finding: judgement.kind });
    for (const each of peersFoundWrong(judgement)) {
      this.avoidedPeers.avoid(each, Infinity);
      onNotice(
        `Others computed a part of an answer again, and ${peerName(each)} (${peerTail(each)}) had given something else. It is not asked any more, and is not paid. The answer may be wrong: ask again.`,
      );
    }
    if (judgement.kind !== "unclear" || judgement.peers.length === 0) return;
    for (const each of judgement.peers) this.avoidedPeers.avoid(each, DEFAULTS.doubtMs);
    onNotice(
      "Two peers computed the same part of an answer and got different results, and no other peer was there to show which one is right. Both are avoided for ten minutes. The answer may be wrong.",
    );
  }

  #auditOptions({ model }: SessionRecord): AnswerAuditsOptions {
    const { directory } = this.#options;
    return {
      ...this.#options,
      peers: () => directory.swarm.peers.filter((peer) => peer.model === model),
      exclude: () => this.avoidedPeers.all,
    };
  }
}

function peersFoundWrong(judgement: Finding["judgement"]): readonly PeerId[] {
  switch (judgement.kind) {
    case "wrong":
      return [judgement.peer];
    case "agreed":
      return judgement.wrong; // auditors
    case "unclear":
      return [];
  }
}

/** Undefined if the audit did not tell which peer was wrong: then nothing is stated, and nothing paid. */
function verdictOf({ judgement, audits }: Finding): StatedVerdict | undefined {
  if (judgement.kind === "unclear") return undefined;
  const { witnesses } = judgement;
  const sessions = new Map([...audits].filter(([peer]) => witnesses.includes(peer)));
  return { verdict: judgement.kind === "agreed" ? "audited" : "wrong", witnesses: sessions };
}

/** Hops with a claim whose neighbour said nothing and so will not sign: an auditor has to sign in its place. */
function lackingNeighbour({ hops }: Commitments, claims: Claims): ReadonlySet<number> {
  const beside = hops.flatMap((said, index) => (said === undefined ? [index - 1, index + 1] : []));
  return new Set(beside.filter((index) => claims[index] !== undefined));
}

const count = (all: readonly unknown[]): number => all.filter((each) => each !== undefined).length;
