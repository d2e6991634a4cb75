// Frames of the directory protocol: a peer announces what it serves, and the relay sends the swarm whenever it changes.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { ManyhandsError } from "../shared/errors.ts";
import { modelId, natural, peerId, range, readAs } from "./fields.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { LIMITS } from "./version.ts";

const Span = range(LIMITS.layers);

/** What a peer says about itself. */
export const PeerAnnouncement = v.strictObject({
  /** Null for a peer that holds no layers of any model and computes tasks only. */
  model: v.nullable(modelId),
  /** The span that the peer means to hold. The others plan around it. Null while it has not chosen. */
  target: v.nullable(Span),
  /** The spans that it serves now: none while it loads, two for a moment when it moves. */
  serving: v.pipe(v.array(Span), v.maxLength(4)),
  backend: v.picklist(["wasm", "webgpu"]),
  /** Milliseconds per layer and decode step, as the peer measured them itself; null until it has. */
  layerMs: v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0))),
  /** Sessions open now. */
  sessions: natural(100_000),
  /** Tokens that the peer computed since it joined. */
  tokensServed: natural(Number.MAX_SAFE_INTEGER),
  /** The kind of host that the peer runs in. */
  host: v.picklist(["page", "widget", "volunteer"]),
  /** The most layers that the peer has room for, if that is fewer than the model has. */
  maxLayers: v.optional(v.pipe(natural(LIMITS.layers), v.minValue(1))),
  /** Bytes of key/value cache that no session has reserved, in coarse steps. */
  freeCacheBytes: v.optional(natural(Number.MAX_SAFE_INTEGER)),
  /** Peers of one class compute the same bytes. */
  determinismClass: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.classLength))),
  /** Round trips to peers near it that the peer measured in the last minutes, in milliseconds, coarsely rounded. */
  neighbours: v.optional(
    v.pipe(v.array(v.strictObject({ peer: peerId, rttMs: v.pipe(v.number(), v.finite(), v.minValue(0)) })), v.maxLength(LIMITS.neighbours)),
  ),
  /** Whether it accepts tasks over PROTOCOLS.task. Left out means no. */
  tasks: v.optional(v.boolean()),
});
export type PeerAnnouncement = v.InferOutput<typeof PeerAnnouncement>;

/** One peer of the swarm, as the relay lists it: the relay adds the identity and the order of joining. */
export const PeerRecord = v.strictObject({
  ...PeerAnnouncement.entries,
  peer: peerId,
  /** Counts up at the relay with each join: the peer with the smaller number joined earlier. */
  joined: natural(Number.MAX_SAFE_INTEGER),
});
export type PeerRecord = v.InferOutput<typeof PeerRecord>;

/** Peer to relay. `announce` doubles as the heartbeat. After `withdraw` the peer watches on, but holds nothing. */
const DirectoryRequest = v.variant("kind", [
  v.strictObject({ kind: v.literal("announce"), announcement: PeerAnnouncement }),
  v.strictObject({ kind: v.literal("withdraw") }),
  v.strictObject({ kind: v.literal("watch") }),
]);
export type DirectoryRequest = v.InferOutput<typeof DirectoryRequest>;

/** Relay to every watcher: at once after `watch`, then after each change. Changes in quick succession share a frame. */
export const SwarmFrame = v.strictObject({
  kind: v.literal("swarm"),
  /** Counts up with each change. */
  revision: natural(Number.MAX_SAFE_INTEGER),
  peers: v.pipe(v.array(PeerRecord), v.maxLength(LIMITS.directoryPeers)),
});
export type SwarmFrame = v.InferOutput<typeof SwarmFrame>;

/** Reads a request to the directory. Throws FRAME_MALFORMED. */
export const readDirectoryRequest = (header: unknown): DirectoryRequest => readAs(DirectoryRequest, header, "a directory request");
/** Reads the swarm that the relay sent. Throws FRAME_MALFORMED. */
export const readSwarmFrame = (header: unknown): SwarmFrame => readAs(SwarmFrame, header, "a swarm frame");

/**
 * The frame for every watcher. The swarm goes into its payload, because thousands of
 * peers do not fit into a header. Throws FRAME_TOO_LARGE.
 */
export const encodeSwarm = (swarm: SwarmFrame): Uint8Array<ArrayBuffer> => encodeFrame({ kind: "swarm" }, encode(swarm));

/** Reads a frame that `encodeSwarm` made. Throws FRAME_TOO_LARGE or FRAME_MALFORMED. */
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
