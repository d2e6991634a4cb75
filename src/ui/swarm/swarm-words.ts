// The swarm in one sentence: for everyone, and above all for people who can't see the picture. Pure.
import type { SwarmPeer } from "../../node/face.ts";
import type { Span } from "../../shared/ids.ts";
import { formatLayers, joinWords, plural } from "../parts/format.ts";
import type { SwarmLayout } from "./swarm-layout.ts";

/** The most gaps that are named one by one. */
const GAPS_NAMED = 3;

function gapWords(gaps: readonly Span[]): string {
  const named = gaps.slice(0, GAPS_NAMED).map(formatLayers);
  if (gaps.length > GAPS_NAMED) named.push(`${gaps.length - GAPS_NAMED} other gaps`);
  return joinWords(named);
}

export function swarmSentence(peers: readonly SwarmPeer[] | undefined, layout: SwarmLayout, gaps: readonly Span[]): string {
  if (peers === undefined) return "Looking to see who is there.";
  if (layout.serving + layout.loading === 0) return "Nobody lends yet. Be the first.";
  const loading = layout.loading === 0 ? "" : ` ${plural(layout.loading, "tab is", "tabs are")} still loading.`;
  const all = layout.coverage.length;
  if (gaps.length === 0) return `${plural(layout.serving, "tab holds", "tabs hold")} all ${plural(all, "layer")}.${loading}`;
  const words = gapWords(gaps);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)} ${gaps.length === 1 && (gaps[0]?.end ?? 0) - (gaps[0]?.start ?? 0) === 1 ? "is" : "are"} held by nobody yet.${loading}`;
}

/** Returns what one peer does, for the table and the tooltip. */
export function peerDoes(peer: SwarmPeer): string {
  if (peer.span === undefined) return "choosing layers";
  return peer.serving ? "serving" : "loading";
}
