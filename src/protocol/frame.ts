// The frame, which links carry whole: the header's length as a varint, the header in
// CBOR, and the bytes of the payload.
import { decode, encode } from "@ipld/dag-cbor";
import { ManyhandsError } from "../shared/errors.ts";
import { LIMITS } from "./version.ts";

export interface Frame {
  /** Plain data, unknown until a schema of this folder has read it. */
  readonly header: unknown;
  /** A view into the received bytes, not a copy. May be empty. */
  readonly payload: Uint8Array;
}

const VARINT_MAX_BYTES = 3; // 2^21 > LIMITS.headerBytes

/** One frame as bytes. Throws FRAME_TOO_LARGE if it is over the protocol's limits. */
export function encodeFrame(header: object, payload: Uint8Array = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const head = encode(header);
  if (head.byteLength > LIMITS.headerBytes)
    throw new ManyhandsError("FRAME_TOO_LARGE", `a header of ${head.byteLength} bytes is over the limit`);
  const prefix: number[] = [];
  for (let rest = head.byteLength; ; rest >>>= 7) {
    if (rest < 0x80) {
      prefix.push(rest);
      break;
    }
    prefix.push((rest & 0x7f) | 0x80);
  }
  const size = prefix.length + head.byteLength + payload.byteLength;
  if (size > LIMITS.frameBytes) throw new ManyhandsError("FRAME_TOO_LARGE", `a frame of ${size} bytes is over the limit`);
  const out = new Uint8Array(size);
  out.set(prefix);
  out.set(head, prefix.length);
  out.set(payload, prefix.length + head.byteLength);
  return out;
}

/** Reads a frame. Throws FRAME_TOO_LARGE or FRAME_MALFORMED. Allocates nothing before it has checked the sizes. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.byteLength > LIMITS.frameBytes)
    throw new ManyhandsError("FRAME_TOO_LARGE", `a frame of ${bytes.byteLength} bytes is over the limit`);
  let length = 0;
  let offset = 0;
  for (;;) {
    const byte = bytes[offset];
    if (byte === undefined || offset >= VARINT_MAX_BYTES)
      throw new ManyhandsError("FRAME_MALFORMED", "the frame's length prefix is cut short or too long");
    length |= (byte & 0x7f) << (7 * offset);
    offset++;
    if (byte < 0x80) break;
  }
  if (length > LIMITS.headerBytes) throw new ManyhandsError("FRAME_TOO_LARGE", `a header of ${length} bytes is over the limit`);
  if (offset + length > bytes.byteLength) throw new ManyhandsError("FRAME_MALFORMED", "the frame ends inside its header");
  let header: unknown;
  try {
    header = decode(bytes.subarray(offset, offset + length));
  } catch (cause) {
    throw new ManyhandsError("FRAME_MALFORMED", "the frame's header is not CBOR", { cause });
  }
  return { header, payload: bytes.subarray(offset + length) };
}

/** Cuts a payload into parts of the sizes that its header lists. Throws SIZE_MISMATCH if they do not add up. */
export function cutPayload(payload: Uint8Array, sizes: readonly number[]): readonly Uint8Array<ArrayBuffer>[] {
  if (sizes.reduce((sum, size) => sum + size, 0) !== payload.byteLength)
    throw new ManyhandsError("SIZE_MISMATCH", "the payload does not have the size that its header says");
  let offset = 0;
  return sizes.map((size) => payload.slice(offset, (offset += size)));
}
