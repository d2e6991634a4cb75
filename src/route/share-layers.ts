// How many pipelines a swarm can form within its peers' memory limits, and how the peers
// of one pipeline share the layers. Pure.
import type { PlacementModel, PlacementPeer } from "./layer-rates.ts";
import { COST } from "./route-cost.ts";

/** Number of pipelines beyond which one more does not change which peers form the first. */
const MOST_PIPELINES = 16;

export interface Pipelines<P> {
  /** Number of pipelines that hold the whole model at the same time; 0 if the peers do not have room for one. */
  readonly count: number;
  /** Number of spans in all of them together. */
  readonly stages: number;
  /** The peers of each. */
  readonly groups: readonly (readonly P[])[];
}

/**
 * The number of pipelines k for which k² / stages is greatest: many at once, of few hops each (Parallax, arXiv
 * 2509.26182). For each k, the peers, roomiest first, go one by one to the pipeline that lacks most layers.
 */
export function choosePipelines<P extends Pick<PlacementPeer, "maxLayers" | "joined">>(
  peers: readonly P[],
  layerCount: number,
): Pipelines<P> {
  const room = (peer: P): number => Math.min(layerCount, peer.maxLayers ?? layerCount);
  const roomiest = peers.filter((peer) => room(peer) > 0).toSorted((a, b) => room(b) - room(a) || a.joined - b.joined);
  const total = roomiest.reduce((sum, peer) => sum + room(peer), 0);
  let best: Pipelines<P> = { count: 0, stages: 0, groups: [] };
  for (let count = 1; count <= Math.min(MOST_PIPELINES, Math.floor(total / layerCount)); count++) {
    const groups = Array.from({ length: count }, () => ({ lacks: layerCount, peers: [] as P[] }));
    let stages = 0;
    for (const peer of roomiest) {
      let neediest = groups[0];
      for (const group of groups) if (group.lacks > (neediest?.lacks ?? 0)) neediest = group;
      if (!neediest || neediest.lacks <= 0) break;
      neediest.lacks -= room(peer);
      neediest.peers.push(peer);
      stages++;
    }
    if (groups.some(({ lacks }) => lacks > 0)) break; // more pipelines would lack more
    if (best.count === 0 || count ** 2 / stages > best.count ** 2 / best.stages)
      best = { count, stages, groups: groups.map((group) => group.peers) };
  }
  return best;
}

/**
 * Layers for each peer of one pipeline, in their order: work in proportion to speed, within the limits, which makes the
 * slowest stage as fast as possible. Each peer has at least one layer; the last one has the head beside its layers.
 * Undefined if there are more peers than layers, or if they lack room.
 */
export function shareLayers(
  peers: readonly Pick<PlacementPeer, "maxLayers" | "layerMs">[],
  { layerCount, headLayers }: PlacementModel,
): readonly number[] | undefined {
  const shares = peers.map(({ maxLayers = layerCount, layerMs = COST.unknownLayerMs }, index) => ({
    most: maxLayers,
    layerMs,
    layers: 1,
    extra: headOf(index, peers, headLayers),
  }));
  const moreMs = ({ layers, extra, layerMs }: (typeof shares)[number]): number => (layers + 1 + extra) * layerMs;
  if (shares.length > layerCount || shares.some(({ most }) => most < 1)) return undefined;
  for (let left = layerCount - shares.length; left > 0; left--) {
    let next: (typeof shares)[number] | undefined;
    for (const share of shares) {
      if (share.layers >= share.most) continue;
      if (!next || moreMs(share) < moreMs(next)) next = share;
    }
    if (!next) return undefined;
    next.layers++;
  }
  return shares.map(({ layers }) => layers);
}

/** The work of the peer in place `index` of a pipeline beside its layers, in layers: the last peer has the head. */
const headOf = (index: number, { length }: readonly unknown[], headLayers: number): number => (index === length - 1 ? headLayers : 0);

/** Milliseconds of the slowest stage. It bounds the tokens a second of all sessions together. */
export function bottleneckMs(
  peers: readonly Pick<PlacementPeer, "layerMs">[],
  layers: readonly number[],
  { headLayers }: Pick<PlacementModel, "headLayers">,
): number {
  const work = (index: number): number => (layers[index] ?? 0) + headOf(index, peers, headLayers);
  return Math.max(0, ...peers.map(({ layerMs = COST.unknownLayerMs }, index) => layerMs * work(index)));
}
