// The swarm as bytes: it rides in a frame's payload, because thousands of peers do not fit into a frame's header.
import { decode, encode } from "@ipld/dag-cbor";
import { ManyhandsError } from "../shared/errors.ts";
import { readSwarmFrame, type SwarmFrame } from "./directory-frames.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";

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
