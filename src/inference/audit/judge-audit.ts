// Judges which peer is wrong when an auditor computes a span's part of an answer again and gets another result: the
// upstream, which may have sent another log, the span, or the auditor. A third peer decides. Pure.
import { bytesEqual } from "../../shared/bytes.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Commitment } from "../requester/session-record.ts";

/**
 * A span's part of an answer, with the commitments that the span and its neighbours made before anybody knew which span
 * is audited.
 */
export interface AuditedPart {
  readonly peer: PeerId;
  readonly says: Commitment;
  /**
   * The peer that sent the steps, and the hash of the log that it says it sent; `peer` is undefined for the requester.
   */
  readonly upstream: { readonly peer: PeerId | undefined; readonly sent: Uint8Array };
  /**
   * The peer that got the results, and the hash of the results that it says it got; `got` is undefined if it did not
   * say.
   */
  readonly downstream: { readonly peer: PeerId | undefined; readonly got: Uint8Array | undefined };
}

/** The result that an auditor computed from the log that the upstream sent again. */
export interface Recomputed extends Commitment {
  readonly peer: PeerId;
  /** Whether the auditor is this tab itself, whose word decides. */
  readonly isOwn: boolean;
  /** For an auditor of another class: whether the numbers are close. Undefined if the bytes have to be the same. */
  readonly isClose: boolean | undefined;
}

export type Judgement =
  /** Not decided: another peer has to compute it too. */
  | { readonly kind: "open" }
  /** The span computed correctly. `wrong`: auditors that got another result. */
  | { readonly kind: "agreed"; readonly witnesses: readonly PeerId[]; readonly wrong: readonly PeerId[] }
  | { readonly kind: "wrong"; readonly peer: PeerId; readonly witnesses: readonly PeerId[] }
  /** One of these peers is wrong, and nobody can know which. */
  | { readonly kind: "unclear"; readonly peers: readonly PeerId[] };

/** `isLast`: no other auditor can be asked. */
export function judgeAudit(part: AuditedPart, recomputed: readonly Recomputed[], isLast: boolean): Judgement {
  const { says, upstream, downstream } = part;
  const fed = recomputed.filter(({ input }) => bytesEqual(input, upstream.sent));
  const agreeing = fed.filter(({ output, isClose }) => isClose ?? bytesEqual(output, says.output));
  if (agreeing.length > 0) {
    // The computation is right, so a difference arose on the way.
    if (!bytesEqual(says.input, upstream.sent)) return onTheWay(part.peer, upstream.peer);
    if (downstream.got !== undefined && !bytesEqual(downstream.got, says.output)) return onTheWay(part.peer, downstream.peer);
    const wrong = fed.filter((each) => each.isClose === undefined && !agreeing.includes(each)).map(({ peer }) => peer);
    return { kind: "agreed", witnesses: agreeing.map(({ peer }) => peer), wrong };
  }
  const own = recomputed.find(({ isOwn }) => isOwn);
  if (own && fed.includes(own)) return { kind: "wrong", peer: part.peer, witnesses: [own.peer] };
  const pair = alike(fed);
  if (pair) return { kind: "wrong", peer: part.peer, witnesses: pair.map(({ peer }) => peer) };
  // The requester sends the same log again, so an auditor that disputes it is of no use.
  const misled = upstream.peer === undefined ? [] : recomputed.filter((each) => !fed.includes(each));
  if (upstream.peer !== undefined && (misled.length > 1 || misled.some(({ isOwn }) => isOwn)))
    return { kind: "wrong", peer: upstream.peer, witnesses: misled.map(({ peer }) => peer) };
  if (!isLast) return { kind: "open" };
  if (fed.length > 0) return unclear(part.peer, ...fed.map(({ peer }) => peer));
  return misled.length > 0 ? unclear(upstream.peer, ...misled.map(({ peer }) => peer)) : unclear();
}

/** Finds two auditors that got the same, or two of other classes that are both far from the span's commitment. */
function alike(fed: readonly Recomputed[]): readonly [Recomputed, Recomputed] | undefined {
  for (const [index, a] of fed.entries())
    for (const b of fed.slice(index + 1)) {
      const isSame = a.isClose === undefined && b.isClose === undefined ? bytesEqual(a.output, b.output) : true;
      if (isSame) return [a, b];
    }
  return undefined;
}

/**
 * Two neighbours contradict each other about the data that passed between them. The requester is never the one that is
 * wrong.
 */
const onTheWay = (peer: PeerId, neighbour: PeerId | undefined): Judgement =>
  neighbour === undefined ? { kind: "wrong", peer, witnesses: [] } : unclear(peer, neighbour);

const unclear = (...peers: readonly (PeerId | undefined)[]): Judgement => ({
  kind: "unclear",
  peers: peers.filter((peer) => peer !== undefined),
});
