// Who is wrong when somebody computed a span's part of an answer again and got something else: the upstream that sent another
// log, the span, or the auditor. Pure; a third peer decides.
import { bytesEqual } from "../../shared/bytes.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Commitment } from "../requester/session-record.ts";

/** A span's part of an answer, and what its neighbours said of it before anybody knew that it is looked at. */
export interface AuditedPart {
  readonly peer: PeerId;
  readonly says: Commitment;
  /** Who sent the steps, and what it says it sent; `peer` is undefined for the requester. */
  readonly upstream: { readonly peer: PeerId | undefined; readonly sent: Uint8Array };
  /** Who got the results, and what it says it got; undefined where it says nothing. */
  readonly downstream: { readonly peer: PeerId | undefined; readonly got: Uint8Array | undefined };
}

/** What an auditor made of the log that the upstream sent again. */
export interface Recomputed extends Commitment {
  readonly peer: PeerId;
  /** This tab's own: its word decides. */
  readonly isOwn: boolean;
  /** For an auditor of another class: whether the numbers are close. Undefined where bytes have to be the same. */
  readonly isClose: boolean | undefined;
}

export type Judgement =
  /** Not decided: another peer has to compute it too. */
  | { readonly kind: "open" }
  /** The span computed what it should; `wrong` are auditors that got something else. */
  | { readonly kind: "agreed"; readonly witnesses: readonly PeerId[]; readonly wrong: readonly PeerId[] }
  | { readonly kind: "wrong"; readonly peer: PeerId; readonly witnesses: readonly PeerId[] }
  /** One of them is wrong, and nobody can tell which. */
  | { readonly kind: "unclear"; readonly peers: readonly PeerId[] };

/** `isLast`: nobody else can be asked. */
export function judgeAudit(part: AuditedPart, recomputed: readonly Recomputed[], isLast: boolean): Judgement {
  const { says, upstream, downstream } = part;
  const fed = recomputed.filter(({ input }) => bytesEqual(input, upstream.sent));
  const agreeing = fed.filter(({ output, isClose }) => isClose ?? bytesEqual(output, says.output));
  if (agreeing.length > 0) {
    // What it computed is right: what is wrong then happened on the way.
    if (!bytesEqual(says.input, upstream.sent)) return onTheWay(part.peer, upstream.peer);
    if (downstream.got !== undefined && !bytesEqual(downstream.got, says.output)) return onTheWay(part.peer, downstream.peer);
    const wrong = fed.filter((each) => each.isClose === undefined && !agreeing.includes(each)).map(({ peer }) => peer);
    return { kind: "agreed", witnesses: agreeing.map(({ peer }) => peer), wrong };
  }
  const own = recomputed.find(({ isOwn }) => isOwn);
  if (own && fed.includes(own)) return { kind: "wrong", peer: part.peer, witnesses: [own.peer] };
  const pair = alike(fed);
  if (pair) return { kind: "wrong", peer: part.peer, witnesses: pair.map(({ peer }) => peer) };
  // What the requester itself sent again is what it sent before: whoever says otherwise is of no use.
  const misled = upstream.peer === undefined ? [] : recomputed.filter((each) => !fed.includes(each));
  if (upstream.peer !== undefined && (misled.length > 1 || misled.some(({ isOwn }) => isOwn)))
    return { kind: "wrong", peer: upstream.peer, witnesses: misled.map(({ peer }) => peer) };
  if (!isLast) return { kind: "open" };
  if (fed.length > 0) return unclear(part.peer, ...fed.map(({ peer }) => peer));
  return misled.length > 0 ? unclear(upstream.peer, ...misled.map(({ peer }) => peer)) : unclear();
}

/** Two that got the same, or two of other classes that are both far from what the span says. */
function alike(fed: readonly Recomputed[]): readonly [Recomputed, Recomputed] | undefined {
  for (const [index, a] of fed.entries())
    for (const b of fed.slice(index + 1)) {
      const isSame = a.isClose === undefined && b.isClose === undefined ? bytesEqual(a.output, b.output) : true;
      if (isSame) return [a, b];
    }
  return undefined;
}

/** Two neighbours say different things of what passed between them. The requester knows what it sent and got. */
const onTheWay = (peer: PeerId, neighbour: PeerId | undefined): Judgement =>
  neighbour === undefined ? { kind: "wrong", peer, witnesses: [] } : unclear(peer, neighbour);

const unclear = (...peers: readonly (PeerId | undefined)[]): Judgement => ({
  kind: "unclear",
  peers: peers.filter((peer) => peer !== undefined),
});
