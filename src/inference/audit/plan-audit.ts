// Plans which peers are audited, and by which: newcomers always, others by their standing. Auditors are free peers that
// compute the same bits, if there are any. Pure.
import type { Hop } from "../../route/plan-route.ts";
import type { PeerId, Span } from "../../shared/ids.ts";
import { sameSpan } from "../../shared/ids.ts";
import { checkChance, type Standing } from "../../shared/reputation.ts";

/** A peer as the directory lists it. */
export interface AuditPeer {
  readonly peer: PeerId;
  readonly serving: readonly Span[];
  /** Sessions open at the peer now. */
  readonly sessions: number;
  /** Peers of one class compute the same bytes; undefined if it was not announced. */
  readonly determinismClass?: string | undefined;
}

/** Whether a peer's part of this answer is computed again; `fraction` is drawn in [0, 1). */
export const wantsAudit = (standing: Standing, nowMs: number, fraction: number): boolean => fraction < checkChance(standing, nowMs);

export interface Auditor {
  readonly peer: PeerId;
  /** Whether its bytes have to be the same. */
  readonly isSameClass: boolean;
}

/**
 * Returns the peers that can compute `hop`'s span again, the best first: peers of its class before others, then this
 * tab itself before others, peers outside the route before peers of the route, idle ones before busy ones, and proved
 * ones before newcomers.
 */
export function chooseAuditors(
  hop: Hop,
  peers: readonly AuditPeer[],
  about: {
    readonly self: PeerId;
    readonly route: ReadonlySet<PeerId>;
    readonly exclude: ReadonlySet<PeerId>;
    readonly standingOf: (peer: PeerId) => Standing;
  },
): readonly Auditor[] {
  const own = peers.find(({ peer }) => peer === hop.peer)?.determinismClass;
  const rank = ({ peer, sessions, determinismClass }: AuditPeer): readonly number[] => [
    determinismClass === own ? 0 : 1,
    peer === about.self ? 0 : 1,
    about.route.has(peer) ? 1 : 0,
    sessions,
    -about.standingOf(peer).streak,
  ];
  return peers
    .filter(({ peer, serving }) => peer !== hop.peer && !about.exclude.has(peer) && serving.some((span) => sameSpan(span, hop.span)))
    .map((peer) => ({ peer, rank: rank(peer) }))
    .toSorted((a, b) => compare(a.rank, b.rank) || (a.peer.peer < b.peer.peer ? -1 : 1))
    .map(({ peer }) => ({ peer: peer.peer, isSameClass: peer.determinismClass === own }));
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
