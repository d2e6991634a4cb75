// Audits an answer that is over: draws the hops whose part is computed again, has that done, and finds out which peer
// is wrong.
import type { PeerId, SessionId } from "../../shared/ids.ts";
import type { Standing } from "../../shared/reputation.ts";
import { type AuditSpanOptions, recompute } from "./audit-span.ts";
import type { Commitments } from "./commitments.ts";
import { type AuditedPart, type Judgement, judgeAudit, type Recomputed } from "./judge-audit.ts";
import { type AuditPeer, chooseAuditors, wantsAudit } from "./plan-audit.ts";
import type { SessionRecord } from "../requester/session-record.ts";

const DEFAULTS = Object.freeze({
  /** Peers that compute one part again at most: one, and two more if results differ. */
  recomputed: 3,
  /** Peers that are asked to at most, including those that refuse or leave. */
  asked: 6,
});

/** Port: the standings of peers, by their work on answers. */
export interface PeerStandings {
  /** Milliseconds of the clock by which a past fades. */
  now(): number;
  of(peer: PeerId): Standing;
  agreed(peer: PeerId): void;
  wrong(peer: PeerId): void;
  fault(peer: PeerId): void;
}

export interface AnswerAuditsOptions extends AuditSpanOptions {
  readonly standings: PeerStandings;
  /** The peers that serve the model now. */
  readonly peers: () => readonly AuditPeer[];
  /** Peers that are not asked, because they were wrong. */
  readonly exclude: () => ReadonlySet<PeerId>;
  /** In [0, 1). */
  readonly fraction: () => number;
}

/** The result of auditing one hop. */
export interface Finding {
  readonly index: number;
  readonly peer: PeerId;
  readonly judgement: Exclude<Judgement, { readonly kind: "open" }>;
  /** By auditor: the session in which it computed the part again. */
  readonly audits: ReadonlyMap<PeerId, SessionId>;
}

/**
 * Returns the hops whose part of this answer is computed again: drawn by their standing, and those in `also`. Never
 * this tab itself.
 */
export function drawAudits(
  { mesh, standings, fraction }: AnswerAuditsOptions,
  { hops }: SessionRecord,
  also: ReadonlySet<number> = new Set(),
): ReadonlySet<number> {
  const now = standings.now();
  const drawn = hops.map(
    ({ hop }, index) => hop.peer !== mesh.self && (wantsAudit(standings.of(hop.peer), now, fraction()) || also.has(index)),
  );
  return new Set(drawn.flatMap((isDrawn, index) => (isDrawn ? [index] : [])));
}

/** Audits the hops in `drawn`, one after the other. Throws the signal's reason; earlier findings stay valid. */
export async function* auditAnswer(
  options: AnswerAuditsOptions,
  record: SessionRecord,
  commitments: Commitments,
  drawn: ReadonlySet<number>,
  signal: AbortSignal,
): AsyncGenerator<Finding, void> {
  for (const index of drawn) {
    const finding = await auditHop(options, record, commitments, index, signal);
    if (finding === undefined) continue;
    learn(options.standings, finding);
    yield finding;
  }
}

/**
 * Returns undefined if nobody could compute the part again, or if the hop or its upstream did not commit. Throws the
 * signal's reason.
 */
async function auditHop(
  options: AnswerAuditsOptions,
  record: SessionRecord,
  commitments: Commitments,
  index: number,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const part = partOf(record, commitments, index);
  const audited = record.hops[index];
  if (part === undefined || audited === undefined) return undefined;
  const { mesh, standings, exclude } = options;
  const route = new Set(record.hops.map(({ hop }) => hop.peer));
  const about = { self: mesh.self, route, exclude: exclude(), standingOf: (peer: PeerId) => standings.of(peer) };
  const auditors = chooseAuditors(audited.hop, options.peers(), about).slice(0, DEFAULTS.asked);
  const recomputed: Recomputed[] = [];
  const audits = new Map<PeerId, SessionId>();
  for (const [asked, auditor] of auditors.entries()) {
    try {
      const { session, ...result } = await recompute(options, record, index, auditor, commitments.range, signal);
      audits.set(auditor.peer, session);
      recomputed.push({ ...result, peer: auditor.peer, isOwn: auditor.peer === mesh.self });
    } catch {
      signal.throwIfAborted(); // this auditor has no capacity or left, so another one is asked
    }
    const isLast = asked === auditors.length - 1 || recomputed.length >= DEFAULTS.recomputed;
    const judgement = judgeAudit(part, recomputed, isLast);
    if (recomputed.length > 0 && judgement.kind !== "open") return { index, peer: audited.hop.peer, judgement, audits };
  }
  return undefined;
}

/** Returns the commitments of hop `index` and its neighbours; undefined if they are not enough to judge by. */
function partOf({ hops }: SessionRecord, { own, hops: said }: Commitments, index: number): AuditedPart | undefined {
  const [says, hop, before, after] = [said[index], hops[index], hops[index - 1], hops[index + 1]];
  const sent = before === undefined ? own.tokens : said[index - 1]?.output;
  if (says === undefined || hop === undefined || sent === undefined) return undefined;
  return {
    peer: hop.hop.peer,
    says,
    upstream: { peer: before?.hop.peer, sent },
    downstream: { peer: after?.hop.peer, got: after === undefined ? own.logits : said[index + 1]?.input },
  };
}

function learn(standings: PeerStandings, { peer, judgement }: Finding): void {
  switch (judgement.kind) {
    case "agreed":
      for (const right of [peer, ...judgement.witnesses]) standings.agreed(right);
      for (const wrong of judgement.wrong) standings.wrong(wrong);
      return;
    case "wrong":
      standings.wrong(judgement.peer);
      return;
    case "unclear":
      for (const each of judgement.peers) standings.fault(each);
      return;
  }
}
