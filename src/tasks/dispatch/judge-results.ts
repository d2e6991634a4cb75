// Whether the results so far settle a task: a pure judgement over who gave which.
import type { Task } from "../../protocol/task-frames.ts";

/** One revealed result; `digest` names equal outputs. */
export interface Vote {
  readonly digest: string;
}

export type Judgement =
  /** The result with this digest settles the task. */
  | { readonly kind: "accepted"; readonly digest: string; readonly verdict: "quorum" | "unchecked" }
  /** So many further replicas are needed. */
  | { readonly kind: "ask"; readonly more: number }
  /** As many replicas as may be asked for, and no result has the quorum alone. */
  | { readonly kind: "split" };

/**
 * A checked task is settled by `quorum` equal results that are more than those of any other result; an unchecked one by its
 * only result. One vote of a peer counts: whoever lends sees to it.
 */
export function judge(votes: readonly Vote[], isChecked: boolean, { quorum, most }: Task["replication"]): Judgement {
  const groups = Map.groupBy(votes, ({ digest }) => digest);
  const [first, second] = [...groups].toSorted(([, a], [, b]) => b.length - a.length);
  const needed = isChecked ? quorum : 1;
  if (first === undefined) return { kind: "ask", more: needed };
  const [digest, { length: leading }] = first;
  const rival = second?.[1].length ?? 0;
  if (leading >= needed && leading > rival) return { kind: "accepted", digest, verdict: leading > 1 ? "quorum" : "unchecked" };
  const more = Math.max(needed - leading, rival + 1 - leading);
  return votes.length + more > most ? { kind: "split" } : { kind: "ask", more };
}

/** A vote of a peer that computes in `determinismClass`; undefined where every machine gives the same bytes. */
export interface ClassedVote extends Vote {
  readonly determinismClass: string | undefined;
}

/** Whether two outputs, named by their digests, say the same but for what two machines may differ in. */
export type Near = (a: string, b: string) => boolean;

/** Equal outputs, and the classes of those who gave them. */
interface Output {
  readonly digest: string;
  readonly classes: ReadonlySet<string | undefined>;
  readonly count: number;
}

/**
 * The votes in the order given, each with the digest of the output that stands for its group. Equal outputs are one group.
 * Others join the first group, most given first, with all of whose outputs they are near and share no class: nearness to one
 * alone would let a chain of small steps lead anywhere, and within a class nothing but equal bytes is right.
 */
export function groupVotes<Given extends ClassedVote>(votes: readonly Given[], near: Near | undefined): readonly Given[] {
  if (near === undefined) return votes;
  const byDigest = Map.groupBy(votes, ({ digest }) => digest);
  const outputs = [...byDigest].map(([digest, given]): Output => ({
    digest,
    classes: new Set(given.map((vote) => vote.determinismClass)),
    count: given.length,
  }));
  const groups: (readonly [Output, ...Output[]])[] = [];
  for (const output of outputs.toSorted((a, b) => b.count - a.count)) {
    const at = groups.findIndex((members) =>
      members.every(({ classes, digest }) => ![...output.classes].some((each) => classes.has(each)) && near(digest, output.digest)),
    );
    const group = groups[at];
    if (group === undefined) groups.push([output]);
    else groups[at] = [...group, output];
  }
  const names = new Map(groups.flatMap((members) => members.map(({ digest }) => [digest, members[0].digest] as const)));
  return votes.map((vote) => ({ ...vote, digest: names.get(vote.digest) ?? vote.digest }));
}
