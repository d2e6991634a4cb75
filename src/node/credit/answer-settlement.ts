// What happens when an answer is over: the spans' work is claimed, some of it computed again while nobody waits, and receipts made.
import type { AnswerReceipts, CheckedClaim, HopFacts, StatedVerdict } from "../../credit/answer-receipts.ts";
import { type AnswerAuditsOptions, auditAnswer, drawAudits, type Finding } from "../../inference/audit/answer-audits.ts";
import type { DetourRequest } from "../../inference/requester/plan-detour.ts";
import { askCommitments, type Commitments } from "../../inference/audit/commitments.ts";
import type { SessionRecord } from "../../inference/requester/session-record.ts";
import { wireClass } from "../../inference/log/wire-form.ts";
import type { Directory } from "../../mesh/ports/directory.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { PeerId, SessionId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { peerName, peerTail } from "../../shared/peer-name.ts";
import { RecentMap } from "../../shared/recent-map.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds after an answer before anything of it is computed again: a person may go on at once. */
  restMs: 1_500,
  /** Milliseconds for which a peer is gone round after a quarrel in which nobody could tell who was wrong. */
  doubtMs: 10 * 60_000,
  /** Sessions whose paid positions are remembered: those that are kept for another turn. */
  sessions: 64,
});

type Receipts = Pick<AnswerReceipts, "claim" | "settle">;

export interface AnswerSettlementDeps extends Omit<AnswerAuditsOptions, "peers" | "exclude"> {
  readonly directory: Pick<Directory, "swarm">;
  /** Asks the desks of those who took part in one answer. */
  readonly openReceipts: () => { readonly receipts: Receipts; close(): Promise<void> };
  readonly onNotice: (sentence: string) => void;
  readonly log: Log;
}

export class AnswerSettlement {
  readonly #deps: AnswerSettlementDeps;
  /** Peers that were wrong, and until when those are gone round of whom one was. */
  readonly #avoided = new Map<PeerId, number>();
  /** Positions that receipts were made for, by session. */
  readonly #paid = new RecentMap<SessionId, number>(DEFAULTS.sessions);

  constructor(deps: AnswerSettlementDeps) {
    this.#deps = deps;
  }

  /** Peers that are not asked for answers now. */
  get avoided(): ReadonlySet<PeerId> {
    const now = this.#deps.clock.now();
    return new Set([...this.#avoided].flatMap(([peer, untilMs]) => (untilMs > now ? [peer] : [])));
  }

  /** Those, and `others`. */
  avoidedBeside(others: ReadonlySet<PeerId>): ReadonlySet<PeerId> {
    return new Set([...others, ...this.avoided]);
  }

  /** `request`, with those left out as well. */
  avoiding(request: DetourRequest): DetourRequest {
    return {
      ...request,
      exclude: () => this.avoidedBeside(request.exclude()),
      silent: () => new Set([...request.silent()].filter((peer) => !this.avoided.has(peer))),
    };
  }

  /** Looks after an answer of which every span holds the first `positions`. Never rejects. */
  readonly take = async (record: SessionRecord, positions: number): Promise<void> => {
    const { log, clock } = this.#deps;
    // A turn that goes on from the middle of the last one may be shorter: it is looked at, and nothing of it is new.
    const paid = this.#paid.get(record.session) ?? 0;
    const isNew = paid < positions;
    const range = { from: isNew ? paid : 0, to: positions };
    if (positions === 0 || record.hops.every(({ hop }) => hop.peer === this.#deps.mesh.self)) return;
    const opened = this.#deps.openReceipts();
    const { receipts } = opened;
    try {
      const commitments = await askCommitments(record, range, clock, record.signal);
      const claims = isNew ? await this.#claims(receipts, record, commitments) : record.hops.map(() => undefined);
      if (isNew) this.#paid.set(record.session, positions);
      const drawn = drawAudits(this.#depsOfAudits(record), record, silentNeighbours(commitments, claims));
      const count = (all: readonly unknown[]): number => all.filter((each) => each !== undefined).length;
      log.debug("an answer is looked after", { said: count(commitments.hops), claimed: count(claims), audited: drawn.size });
      const settle: Settle = (claim, verdict) => this.#settle(receipts, claim, verdict);
      const looked = this.#audit(settle, record, commitments, claims, drawn);
      await Promise.all([looked, ...claims.map((claim, index) => (drawn.has(index) ? undefined : settle(claim, UNCHECKED)))]);
    } catch (error) {
      log.debug("an answer is looked after no further", { error: errorMessage(error) });
    } finally {
      await opened.close();
    }
  };

  /** One for each hop; undefined for this tab's own, and for who does not claim what the neighbours say. */
  async #claims(receipts: Receipts, record: SessionRecord, commitments: Commitments): Promise<readonly (CheckedClaim | undefined)[]> {
    const { mesh } = this.#deps;
    return Promise.all(
      record.hops.map(async ({ hop }, index) => {
        const facts = hop.peer === mesh.self ? undefined : this.#factsOf(record, commitments, index);
        return facts && receipts.claim(facts);
      }),
    );
  }

  #factsOf({ hops, model, session, terms }: SessionRecord, { own, hops: said, range }: Commitments, index: number): HopFacts | undefined {
    const { mesh, directory } = this.#deps;
    const [hop, before, after] = [hops[index]?.hop, hops[index - 1]?.hop, hops[index + 1]?.hop];
    const says = said[index];
    if (hop === undefined || says === undefined) return undefined;
    const known = directory.swarm.peers.find(({ peer, model: served }) => peer === hop.peer && served === model);
    return {
      model,
      session,
      worker: hop.peer,
      span: hop.span,
      positions: { start: range.from, end: range.to },
      upstream: before?.peer ?? mesh.self,
      downstream: after?.peer ?? mesh.self,
      // A neighbour that says nothing is made up for by an audit, if there is one.
      input: before === undefined ? own.tokens : (said[index - 1]?.output ?? says.input),
      output: after === undefined ? own.logits : (said[index + 1]?.input ?? says.output),
      determinismClass: known?.determinismClass && wireClass(terms, known.determinismClass),
    };
  }

  async #audit(
    settle: Settle,
    record: SessionRecord,
    commitments: Commitments,
    claims: readonly (CheckedClaim | undefined)[],
    drawn: ReadonlySet<number>,
  ): Promise<void> {
    if (drawn.size === 0) return;
    const { clock, log } = this.#deps;
    const open = new Set(drawn);
    try {
      await clock.sleep(DEFAULTS.restMs, record.signal);
      for await (const finding of auditAnswer(this.#depsOfAudits(record), record, commitments, drawn, record.signal)) {
        this.#tell(finding);
        open.delete(finding.index);
        await settle(claims[finding.index], verdictOf(finding));
      }
    } catch (error) {
      log.debug("an audit was given up", { error: errorMessage(error) }); // another answer goes on with the session, or it is over
    }
    // What nobody could look at is paid as it is; whoever was found wrong meanwhile is not.
    for (const index of open) await settle(claims[index], UNCHECKED);
  }

  async #settle(receipts: Receipts, claim: CheckedClaim | undefined, verdict: StatedVerdict | undefined): Promise<void> {
    if (claim === undefined || verdict === undefined) return;
    if (verdict.verdict !== "wrong" && this.#avoided.has(claim.signed.claim.worker)) return;
    const receipt = await receipts.settle(claim, verdict);
    if (receipt === undefined) this.#deps.log.debug("work is not paid: a signature is missing", { worker: claim.signed.claim.worker });
  }

  #tell({ judgement, index, peer }: Finding): void {
    const { onNotice, log, clock } = this.#deps;
    log.info("a part of an answer was computed again", { index, peer, finding: judgement.kind });
    const wrong = judgement.kind === "wrong" ? [judgement.peer] : judgement.kind === "agreed" ? judgement.wrong : [];
    for (const each of wrong) {
      this.#avoided.set(each, Infinity);
      onNotice(
        `A part of an answer was computed again by others, and ${peerName(each)} (${peerTail(each)}) had given something else. It is not asked any more, and is not paid. The answer may be wrong: ask again.`,
      );
    }
    if (judgement.kind !== "unclear" || judgement.peers.length === 0) return;
    const untilMs = clock.now() + DEFAULTS.doubtMs;
    for (const each of judgement.peers) this.#avoided.set(each, Math.max(untilMs, this.#avoided.get(each) ?? 0));
    onNotice(
      `Two peers computed the same part of an answer and got different results, and nobody else was there to tell who is right. Both are gone round for ten minutes. The answer may be wrong.`,
    );
  }

  #depsOfAudits({ model }: SessionRecord): AnswerAuditsOptions {
    const { directory } = this.#deps;
    return {
      ...this.#deps,
      peers: () => directory.swarm.peers.filter((peer) => peer.model === model),
      exclude: () => this.avoided,
    };
  }
}

/** Makes the receipt of one claim, if there is one and something is to be said. */
type Settle = (claim: CheckedClaim | undefined, verdict: StatedVerdict | undefined) => Promise<void>;

const UNCHECKED: StatedVerdict = { verdict: "unchecked", witnesses: new Map() };

/** Undefined where nothing can be stated: then nothing is paid. */
function verdictOf({ judgement, audits }: Finding): StatedVerdict | undefined {
  if (judgement.kind === "unclear") return undefined;
  const { witnesses } = judgement;
  const named = new Map([...audits].filter(([peer]) => witnesses.includes(peer)));
  return { verdict: judgement.kind === "agreed" ? "audited" : "wrong", witnesses: named };
}

/** Hops beside one that says nothing: who passes a hand over is made up for by somebody who computes it again. */
function silentNeighbours({ hops }: Commitments, claims: readonly unknown[]): ReadonlySet<number> {
  const beside = hops.flatMap((said, index) => (said === undefined ? [index - 1, index + 1] : []));
  return new Set(beside.filter((index) => claims[index] !== undefined));
}
