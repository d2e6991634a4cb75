// Whether the results so far settle a task: a pure judgement over who gave which.
import type { Task } from "../../protocol/task-frames.ts";
import type { PeerId } from "../../shared/ids.ts";

/** One revealed result; `digest` names equal outputs. */
export interface Vote {
  readonly peer: PeerId;
  readonly digest: string;
}

export type Judgement =
  /** `wrong`: who gave another result than the accepted one. */
  | {
      readonly kind: "accepted";
      readonly digest: string;
      readonly verdict: "quorum" | "unchecked";
      readonly agreed: readonly PeerId[];
      readonly wrong: readonly PeerId[];
    }
  /** So many further replicas are needed. */
  | { readonly kind: "ask"; readonly more: number }
  /** As many replicas as may be asked for, and no result has the quorum alone. */
  | { readonly kind: "split" };

/**
 * A checked task is settled by `quorum` equal results that are more than those of any other result; an unchecked one by its
 * only result. One vote of a peer counts: whoever lends sees to it.
 */
export function judge(votes: readonly Vote[], isChecked: boolean, { quorum, most }: Task["replication"]): Judgement {
  const groups = new Map<string, PeerId[]>();
  for (const { peer, digest } of votes) groups.set(digest, [...(groups.get(digest) ?? []), peer]);
  const [first, second] = [...groups].toSorted(([, a], [, b]) => b.length - a.length);
  const needed = isChecked ? quorum : 1;
  if (first === undefined) return { kind: "ask", more: needed };
  const [digest, agreed] = first;
  const rival = second?.[1].length ?? 0;
  if (agreed.length >= needed && agreed.length > rival) {
    const wrong = votes.filter((vote) => vote.digest !== digest).map(({ peer }) => peer);
    return { kind: "accepted", digest, verdict: agreed.length > 1 ? "quorum" : "unchecked", agreed, wrong };
  }
  const more = Math.max(needed - agreed.length, rival + 1 - agreed.length);
  return votes.length + more > most ? { kind: "split" } : { kind: "ask", more };
}
