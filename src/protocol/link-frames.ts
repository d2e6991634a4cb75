// How a link cuts a byte stream into whole frames, and how its reader holds back its writer.
//
// A record opens with a varint. If it is even, a frame of half that many bytes follows. If it is odd, nothing follows:
// 1 is the goodbye, and any other value v gives (v - 1) / 2 bytes of credit back. Transports without back-pressure of
// their own (WebRTC data channels) need the credit. The goodbye distinguishes an end from a loss.
import { ManyhandsError } from "../shared/errors.ts";
import { LIMITS } from "./version.ts";

export const LINK = Object.freeze({
  /**
   * Bytes that a writer may have under way: sent, but not yet received by the reader. A frame may start below this
   * bound and end past it, so a link holds at most this many bytes and one frame: enough for 100 ms at 80 Mbit/s.
   */
  windowBytes: 1024 * 1024,
  /** Bytes that each frame is charged beside its own: they bound a flood of empty frames as well. */
  frameCostBytes: 64,
  /** The reader gives credit back in lumps of this size: small beside the window, rare beside the frames of a step. */
  creditBytes: 256 * 1024,
});

const VARINT_MAX_BYTES = 4; // 2^28 > 2 * LIMITS.frameBytes
const GOODBYE = 1;

/** Bytes that a frame of `sizeBytes` takes from the window. */
export const frameCost = (sizeBytes: number): number => sizeBytes + LINK.frameCostBytes;

function varint(value: number, extraBytes: number): { readonly out: Uint8Array<ArrayBuffer>; readonly offset: number } {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++;
  const out = new Uint8Array(length + extraBytes);
  let rest = value;
  for (let i = 0; i < length; i++) {
    out[i] = (rest & 0x7f) | (i < length - 1 ? 0x80 : 0);
    rest >>>= 7;
  }
  return { out, offset: length };
}

/** The record of a frame, with a copy of the frame in it. Throws FRAME_TOO_LARGE. */
export function encodeLinkFrame(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  if (frame.byteLength > LIMITS.frameBytes) {
    throw new ManyhandsError("FRAME_TOO_LARGE", `a frame of ${frame.byteLength} bytes is over the limit`);
  }
  const { out, offset } = varint(frame.byteLength * 2, frame.byteLength);
  out.set(frame, offset);
  return out;
}

/** The record that gives `sizeBytes` of credit back: at least 1, at most a window and a frame. */
export const encodeCredit = (sizeBytes: number): Uint8Array<ArrayBuffer> => varint(sizeBytes * 2 + 1, 0).out;

/** The last record of a link. */
export const encodeGoodbye = (): Uint8Array<ArrayBuffer> => Uint8Array.of(GOODBYE);

/** Receives what a `LinkFrameReader` finds. */
export interface LinkFrameSink {
  /** A whole frame: a view of the received bytes if it came in one piece, else a copy. */
  frame(frame: Uint8Array): void;
  credit(sizeBytes: number): void;
  goodbye(): void;
}

/** Cuts received bytes into records, however the transport sliced them. */
export class LinkFrameReader {
  readonly #sink: LinkFrameSink;
  readonly #maxFrameBytes: number;
  #prefix = 0;
  #prefixBytes = 0;
  #frame: Uint8Array | undefined;
  #filled = 0;

  /** `maxFrameBytes`: the most bytes of one of this protocol's frames, at most LIMITS.frameBytes. */
  constructor(sink: LinkFrameSink, maxFrameBytes: number = LIMITS.frameBytes) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /**
   * Reads the next bytes. Throws FRAME_TOO_LARGE before it allocates, or FRAME_MALFORMED;
   * after either, the stream is lost.
   */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.byteLength) {
      if (this.#frame !== undefined) {
        offset += this.#fill(this.#frame, chunk.subarray(offset));
        continue;
      }
      const byte = chunk[offset++] as number; // below byteLength
      this.#prefix |= (byte & 0x7f) << (7 * this.#prefixBytes);
      this.#prefixBytes++;
      if (byte >= 0x80) {
        if (this.#prefixBytes >= VARINT_MAX_BYTES) throw new ManyhandsError("FRAME_MALFORMED", "the length before a frame is too long");
        continue;
      }
      const value = this.#prefix;
      this.#prefix = 0;
      this.#prefixBytes = 0;
      if (value === GOODBYE) this.#sink.goodbye();
      else if ((value & 1) === 1) this.#sink.credit(value >>> 1);
      else offset += this.#begin(value >>> 1, chunk, offset);
    }
  }

  #begin(sizeBytes: number, chunk: Uint8Array, offset: number): number {
    if (sizeBytes > this.#maxFrameBytes) throw new ManyhandsError("FRAME_TOO_LARGE", `a frame of ${sizeBytes} bytes is over the limit`);
    if (offset + sizeBytes <= chunk.byteLength) {
      this.#sink.frame(chunk.subarray(offset, offset + sizeBytes));
      return sizeBytes;
    }
    this.#frame = new Uint8Array(sizeBytes);
    this.#filled = 0;
    return 0;
  }

  #fill(frame: Uint8Array, rest: Uint8Array): number {
    const part = rest.subarray(0, frame.byteLength - this.#filled);
    frame.set(part, this.#filled);
    this.#filled += part.byteLength;
    if (this.#filled === frame.byteLength) {
      this.#frame = undefined;
      this.#sink.frame(frame);
    }
    return part.byteLength;
  }
}
