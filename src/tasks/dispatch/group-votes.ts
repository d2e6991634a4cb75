// Which results count as the same: byte by byte within a determinism class, by the kind's tolerance across classes. Pure.
import type { Vote } from "./judge-results.ts";

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
