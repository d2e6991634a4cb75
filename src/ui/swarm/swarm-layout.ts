// The peers in the picture of the swarm: the order of their rows, how many serve each layer, and the gaps. Pure.
import type { SwarmPeer } from "../../node/face.ts";
import type { Span } from "../../shared/ids.ts";

export interface SwarmLayout {
  /** In reading order: by span, those that serve before those that load, peers without a span last. */
  readonly rows: readonly SwarmPeer[];
  /** How many peers serve each layer. */
  readonly coverage: readonly number[];
  readonly gaps: readonly Span[];
  readonly serving: number;
  readonly loading: number;
}

/** Returns the layers that nobody serves, as spans. */
export function gapsOf(coverage: readonly number[]): readonly Span[] {
  const gaps: Span[] = [];
  for (let layer = 0; layer < coverage.length; layer++) {
    if (coverage[layer] !== 0) continue;
    const last = gaps.at(-1);
    if (last !== undefined && last.end === layer) gaps[gaps.length - 1] = { start: last.start, end: layer + 1 };
    else gaps.push({ start: layer, end: layer + 1 });
  }
  return gaps;
}

function order(a: SwarmPeer, b: SwarmPeer): number {
  if (a.span === undefined || b.span === undefined) {
    if (a.span !== undefined) return -1;
    if (b.span !== undefined) return 1;
    return a.peer < b.peer ? -1 : 1;
  }
  return (
    a.span.start - b.span.start ||
    b.span.end - a.span.end ||
    Number(b.serving) - Number(a.serving) ||
    Number(b.isSelf) - Number(a.isSelf) ||
    (a.peer < b.peer ? -1 : 1)
  );
}

export function layoutSwarm(peers: readonly SwarmPeer[], layerCount: number): SwarmLayout {
  const coverage = new Array<number>(layerCount).fill(0);
  let serving = 0;
  let loading = 0;
  for (const peer of peers) {
    if (peer.span === undefined) continue;
    if (!peer.serving) {
      loading += 1;
      continue;
    }
    serving += 1;
    for (let layer = peer.span.start; layer < Math.min(peer.span.end, layerCount); layer++) coverage[layer] = (coverage[layer] ?? 0) + 1;
  }
  return { rows: peers.toSorted(order), coverage, gaps: gapsOf(coverage), serving, loading };
}

/** Returns about `most` rows to draw and the count of the others. This tab and the route's peers are always drawn. */
export function visibleRows(
  rows: readonly SwarmPeer[],
  most: number,
  route: ReadonlySet<string>,
): { readonly shown: readonly SwarmPeer[]; readonly hidden: number } {
  if (rows.length <= most) return { shown: rows, hidden: 0 };
  const kept = new Set<SwarmPeer>(rows.filter((row) => row.isSelf || route.has(row.peer)));
  for (const row of rows) {
    if (kept.size >= most) break;
    kept.add(row);
  }
  return { shown: rows.filter((row) => kept.has(row)), hidden: rows.length - kept.size };
}
