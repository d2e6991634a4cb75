// Which results agree, and whether they settle a task. Pure.
import type { Task } from "../../protocol/task-frames.ts";

/** One revealed result; results with one digest are equal. */
export interface Vote {
  readonly digest: string;
}

export type Judgement =
  /** The result with this digest settles the task. */
  | { readonly kind: "accepted"; readonly digest: string; readonly verdict: "quorum" | "unchecked" }
  /** The task needs this many more replicas. */
  | { readonly kind: "ask"; readonly more: number }
  /** There are as many replicas as the task may have, and no result has the quorum alone. */
  | { readonly kind: "split" };

/**
 * A checked task is settled by `quorum` equal results that outnumber every other result; an unchecked task by its only
 * result. Each peer votes once: the dispatcher sees to that.
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

/** A vote of a peer that computes in `determinismClass`; undefined if every machine gives the same bytes. */
export interface ClassedVote extends Vote {
  readonly determinismClass: string | undefined;
}

/** Whether two outputs, named by their digests, agree but for the differences that two machines may have. */
export type Near = (a: string, b: string) => boolean;

/** Equal outputs, and the classes of the peers that gave them. */
interface Output {
  readonly digest: string;
  readonly classes: ReadonlySet<string | undefined>;
  readonly count: number;
}

/**
 * Returns the votes in the order given, each with the digest of the output that stands for its group. Results agree
 * byte by byte within a determinism class, and by the kind's tolerance across classes.
 *
 * Equal outputs form one group. Starting with the output that most peers gave, each other output joins the first group
 * if it is near every output in it and shares no class with any. To be near one of them is not enough: a chain of small
 * steps could lead anywhere. Within a class only equal bytes are right.
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
