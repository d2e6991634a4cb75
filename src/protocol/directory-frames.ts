// Frames of the directory protocol: a peer announces what it holds, the relay sends the swarm whenever it changes.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { ManyhandsError } from "../shared/errors.ts";
import { modelId, natural, peerId, range, readAs } from "./fields.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { LIMITS } from "./version.ts";

const Span = range(LIMITS.layers);

/** What a peer says of itself. */
export const PeerAnnouncement = v.strictObject({
  /** Null where the peer holds no layers of any model and takes tasks alone. */
  model: v.nullable(modelId),
  /** The span that the peer means to hold: what others plan around. Null while it has not chosen. */
  target: v.nullable(Span),
  /** The spans that it answers for now: none while it loads, two for a moment when it moves. */
  serving: v.pipe(v.array(Span), v.maxLength(4)),
  backend: v.picklist(["wasm", "webgpu"]),
  /** Milliseconds per layer and decode step that it measured itself; null until measured. */
  layerMs: v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0))),
  /** Sessions open now. */
  sessions: natural(100_000),
  /** Tokens computed since the peer joined. */
  tokensServed: natural(Number.MAX_SAFE_INTEGER),
  /** `page`, `widget` or `volunteer`: what kind of host the peer runs in. */
  host: v.picklist(["page", "widget", "volunteer"]),
  /** The most layers that the peer has room for, where that is fewer than the model has. */
  maxLayers: v.optional(v.pipe(natural(LIMITS.layers), v.minValue(1))),
  /** Bytes of key/value cache that no session has reserved, in coarse steps. */
  freeCacheBytes: v.optional(natural(Number.MAX_SAFE_INTEGER)),
  /** Peers of one class compute the same bytes. */
  determinismClass: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.classLength))),
  /** Round trips that it measured to peers near it in the last minutes, in milliseconds, coarsely rounded. */
  neighbours: v.optional(
    v.pipe(v.array(v.strictObject({ peer: peerId, rttMs: v.pipe(v.number(), v.finite(), v.minValue(0)) })), v.maxLength(LIMITS.neighbours)),
  ),
  /** Whether it takes tasks over PROTOCOLS.task; left out: no. */
  tasks: v.optional(v.boolean()),
});
export type PeerAnnouncement = v.InferOutput<typeof PeerAnnouncement>;

/** One peer of the swarm, as the relay tells it: the relay adds identity, order of joining and addresses. */
export const PeerRecord = v.strictObject({
  ...PeerAnnouncement.entries,
  peer: peerId,
  /** Counts up at the relay with each join; smaller joined earlier. */
  joined: natural(Number.MAX_SAFE_INTEGER),
});
export type PeerRecord = v.InferOutput<typeof PeerRecord>;

/** Peer to relay. `announce` doubles as the heartbeat; `withdraw` keeps watching but holds nothing. */
const DirectoryRequest = v.variant("kind", [
  v.strictObject({ kind: v.literal("announce"), announcement: PeerAnnouncement }),
  v.strictObject({ kind: v.literal("withdraw") }),
  v.strictObject({ kind: v.literal("watch") }),
]);
export type DirectoryRequest = v.InferOutput<typeof DirectoryRequest>;

/** Relay to every watcher, at once on `watch` and after each change (coalesced). */
export const SwarmFrame = v.strictObject({
  kind: v.literal("swarm"),
  /** Counts up with each change. */
  revision: natural(Number.MAX_SAFE_INTEGER),
  peers: v.pipe(v.array(PeerRecord), v.maxLength(LIMITS.directoryPeers)),
});
export type SwarmFrame = v.InferOutput<typeof SwarmFrame>;

/** Reads a request to the directory. Throws FRAME_MALFORMED. */
export const readDirectoryRequest = (header: unknown): DirectoryRequest => readAs(DirectoryRequest, header, "a directory request");
/** Reads what the relay sent. Throws FRAME_MALFORMED. */
export const readSwarmFrame = (header: unknown): SwarmFrame => readAs(SwarmFrame, header, "a swarm frame");

/** One frame for every watcher. Throws FRAME_TOO_LARGE. */
export const encodeSwarm = (swarm: SwarmFrame): Uint8Array<ArrayBuffer> => encodeFrame({ kind: "swarm" }, encode(swarm));

/** Reads it. Throws FRAME_TOO_LARGE or FRAME_MALFORMED. */
export function decodeSwarm(bytes: Uint8Array): SwarmFrame {
  const { payload } = decodeFrame(bytes);
  let value: unknown;
  try {
    value = decode(payload);
  } catch (cause) {
    throw new ManyhandsError("FRAME_MALFORMED", "the swarm is not CBOR", { cause });
  }
  return readSwarmFrame(value);
}
