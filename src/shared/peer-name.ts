// A name and a colour by which a person can recognise a peer, drawn from its id. The identity stays the id itself.
import type { PeerId } from "./ids.ts";

const TRAITS = [
  "Amber", "Bold", "Brisk", "Bright", "Calm", "Clear", "Cosy", "Dawn", "Deep", "Early", "Fair", "Fleet", "Fond", "Glad", "Gold", "Grand",
  "Green", "Kind", "Late", "Light", "Merry", "Mild", "Misty", "Neat", "Plum", "Quick", "Quiet", "Rosy", "Snug", "Still", "Sunny", "Warm",
] as const; // prettier-ignore
const BIRDS = [
  "Avocet", "Bunting", "Crane", "Curlew", "Dipper", "Dove", "Dunlin", "Egret", "Finch", "Godwit", "Grebe", "Heron", "Hoopoe", "Ibis", "Jay", "Kite",
  "Knot", "Lark", "Linnet", "Martin", "Merlin", "Oriole", "Ousel", "Pipit", "Plover", "Robin", "Siskin", "Starling", "Swift", "Teal", "Thrush", "Wren",
] as const; // prettier-ignore

/** How many peer colours the theme has (`--peer-0` and on). */
export const PEER_COLOURS = 8;

/** FNV-1a over the text, 32 bits: it spreads well even over ids that begin alike. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** `Quiet Wren`: one of 1,024, the same in every tab. */
export function peerName(peer: PeerId): string {
  const value = hash(peer);
  return `${TRAITS[(value >>> 5) % TRAITS.length] ?? ""} ${BIRDS[value % BIRDS.length] ?? ""}`;
}

/** The last six characters of the id: tells apart two peers that drew the same name. */
export const peerTail = (peer: PeerId): string => peer.slice(-6);

/** Index of the theme's peer colour. */
export const peerColour = (peer: PeerId): number => (hash(peer) >>> 12) % PEER_COLOURS;
