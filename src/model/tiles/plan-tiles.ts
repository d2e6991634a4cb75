// Decides which tile to fetch from which source. Pure: decisions are made anew for each
// tile whenever the swarm or its tries change.
import type { PeerId, Span } from "../../shared/ids.ts";
import type { TileHolder } from "./tile-peers.ts";
import type { TileRange } from "./tile-source.ts";

export const TILE_PLAN = Object.freeze({
  /**
   * Bytes of a file that one of several peers fetches from the origin for all: small
   * enough to share out, large enough for one request.
   */
  shareBytes: 4 * 1024 * 1024,
  /** Bytes asked of an origin at once while nobody else needs the same ones. */
  runBytes: 64 * 1024 * 1024,
  /** Bytes between two tiles that are still asked for together; the bytes between them are fetched as well. */
  gapBytes: 4 * 1024,
});

/** The next step to get a missing tile. */
export type TileStep =
  /** Ask a peer that has it or may have it. If it does not, the next step asks another. */
  | { readonly kind: "ask"; readonly peer: PeerId }
  /** Wait for a peer that fetches it from the origin for several peers, and sends it as soon as it has it. */
  | { readonly kind: "wait"; readonly peer: PeerId }
  | { readonly kind: "origin" };

/** The state of the swarm that a decision rests on. */
export interface TileView {
  readonly self: PeerId;
  /** Peers that may be asked. */
  readonly holders: readonly TileHolder[];
  /** Whether a peer can handle one more request now. */
  readonly hasRoom: (peer: PeerId) => boolean;
}

/** What has been tried for one tile. */
export interface TileTries {
  /** Peers that were asked for it: they do not have it, or did not send it. */
  readonly asked: ReadonlySet<PeerId>;
  /** Peers that this one waited for in vain. */
  readonly awaited: ReadonlySet<PeerId>;
}

const covers = (spans: readonly Span[], layers: readonly number[]): boolean =>
  layers.some((layer) => spans.some((span) => span.start <= layer && layer < span.end));

/**
 * The next step for a tile; undefined if it should wait until a peer that has it can handle one more request. Peers
 * that serve the tile's layers come first, then those that may have kept it. A tile that nobody has is fetched from the
 * origin by one of the peers that need it, the same one in all their plans, and the others wait for that peer.
 */
export function nextStep(range: TileRange, view: TileView, tries: TileTries): TileStep | undefined {
  const layers = range.layers ?? [];
  const untried = view.holders.filter(({ peer }) => !tries.asked.has(peer));
  for (const candidates of [
    untried.filter(({ holds }) => covers(holds, layers)),
    untried.filter(({ mayHold }) => covers(mayHold, layers)),
  ]) {
    if (candidates.length === 0) continue;
    // Each share has its own order of peers: that spreads requests over the peers that have it.
    const order = byRank(
      candidates.map(({ peer }) => peer),
      range,
    );
    const peer = order.find(view.hasRoom);
    return peer === undefined ? undefined : { kind: "ask", peer };
  }
  const fetching = view.holders
    .filter((holder) => holder.fetching && covers([holder.fetching], layers) && !tries.awaited.has(holder.peer))
    .map(({ peer }) => peer);
  const owner = byRank([view.self, ...fetching], range)[0];
  return owner === undefined || owner === view.self ? { kind: "origin" } : { kind: "wait", peer: owner };
}

/**
 * Indices of `ranges`. Those with the fewest holders come first; equals come share by
 * share, in an order of this peer's own, and in the file's order within a share.
 */
export function rarestFirst(ranges: readonly TileRange[], self: PeerId, holders: readonly TileHolder[]): number[] {
  const shared = holders.some(({ fetching }) => fetching !== undefined);
  const keys = ranges.map((range) => ({
    copies: holders.filter(({ holds }) => covers(holds, range.layers ?? [])).length,
    // A peer that fetches alone reads a file from start to end. Peers that fetch together each begin at another place.
    share: shared ? hash(`${self} ${shareOf(range)}`) : 0,
    range,
  }));
  const key = (index: number) => keys[index] as (typeof keys)[number]; // one for each range
  return [...ranges.keys()].toSorted((a, b) => {
    const [left, right] = [key(a), key(b)];
    return (
      left.copies - right.copies ||
      left.share - right.share ||
      (left.range.file < right.range.file ? -1 : left.range.file > right.range.file ? 1 : left.range.offset - right.range.offset)
    );
  });
}

export interface RunOptions {
  /**
   * Whether the origin has not been asked yet: until it is known whether it understands
   * ranges, the first bytes are the cheapest.
   */
  readonly isFirst: boolean;
  /** Whether each request to the origin costs a pass over the whole file. */
  readonly isWhole: boolean;
  readonly maxBytes: number;
}

/**
 * Neighbouring tiles for one request to an origin, beginning at the first of
 * `candidates`: indices of `ranges`, by offset.
 */
export function nextRun(candidates: readonly number[], ranges: readonly TileRange[], { isFirst, isWhole, maxBytes }: RunOptions): number[] {
  const at = (index: number): TileRange => ranges[index] as TileRange; // candidates are indices of `ranges`
  const order = candidates.toSorted((a, b) => at(a).offset - at(b).offset);
  const head = (isFirst ? order : candidates)[0];
  if (head === undefined) return [];
  const { file } = at(head);
  const inFile = order.filter((index) => at(index).file === file);
  if (isWhole) return inFile;
  const run: number[] = [];
  let bytes = 0;
  let end = at(head).offset;
  for (const index of inFile.slice(inFile.indexOf(head))) {
    const { offset, length } = at(index);
    if (offset > end + TILE_PLAN.gapBytes || (run.length > 0 && bytes + length > maxBytes)) break;
    run.push(index);
    bytes += length;
    end = Math.max(end, offset + length);
  }
  return run;
}

/**
 * Peers by their rank for a share of a file (rendezvous hashing, Thaler and Ravishankar
 * 1998). Every peer computes the same ranks.
 */
function byRank(peers: readonly PeerId[], range: TileRange): PeerId[] {
  const share = shareOf(range);
  const ranks = new Map(peers.map((peer) => [peer, hash(`${peer} ${share}`)]));
  return peers.toSorted((a, b) => (ranks.get(b) ?? 0) - (ranks.get(a) ?? 0) || (a < b ? -1 : 1));
}

const shareOf = (range: TileRange): string => `${range.file} ${Math.floor(range.offset / TILE_PLAN.shareBytes)}`;

/** 32-bit hash of a string (FNV-1a with MurmurHash3's finaliser). It spreads well; it is not cryptographic. */
function hash(text: string): number {
  let word = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) word = Math.imul(word ^ text.charCodeAt(i), 0x01000193);
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
