// Frames: round trips, limits, and bytes from anywhere.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrame, encodeFrame } from "../../../src/protocol/frame.ts";
import { HASH_BYTES, readSessionHeader } from "../../../src/protocol/session-frames.ts";
import { LIMITS } from "../../../src/protocol/version.ts";
import { errorCode, ManyhandsError } from "../../../src/shared/errors.ts";

const STEP = {
  kind: "step",
  session: "ab".repeat(16),
  position: 3,
  count: 2,
  prefix: new Uint8Array(HASH_BYTES),
  chain: new Uint8Array(2 * HASH_BYTES),
  truncate: false,
  replay: false,
  logitRows: 1,
  timings: [],
};

describe("frames", () => {
  it("carry headers of any size up to the limit, and payloads", () => {
    fc.assert(
      fc.property(fc.nat({ max: 40_000 }), fc.uint8Array({ maxLength: 300 }), (length, payload) => {
        const header = { text: "x".repeat(length) };
        const frame = decodeFrame(encodeFrame(header, payload));
        expect(frame.header).toEqual(header);
        expect([...frame.payload]).toEqual([...payload]);
      }),
    );
  });

  it("over the limits are neither written nor read", () => {
    expect(() => encodeFrame({ text: "x".repeat(LIMITS.headerBytes) })).toThrow(ManyhandsError);
    expect(() => encodeFrame({}, new Uint8Array(LIMITS.frameBytes))).toThrow(ManyhandsError);
    expect(() => decodeFrame(new Uint8Array(LIMITS.frameBytes + 1))).toThrow(ManyhandsError);
    expect(() => decodeFrame(Uint8Array.of(0xff, 0xff, 0x7f, 0))).toThrow(expect.objectContaining({ code: "FRAME_TOO_LARGE" }));
  });

  it("from any bytes are read, or refused with a code", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          readSessionHeader(decodeFrame(bytes).header);
        } catch (error) {
          expect(["FRAME_MALFORMED", "FRAME_TOO_LARGE"]).toContain(errorCode(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("with a bit flipped are still read, or refused with a code", () => {
    const bytes = encodeFrame(STEP, new Uint8Array(16));
    fc.assert(
      fc.property(fc.nat({ max: bytes.byteLength * 8 - 1 }), (bit) => {
        const flipped = bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        try {
          readSessionHeader(decodeFrame(flipped).header);
        } catch (error) {
          expect(errorCode(error)).toMatch(/^FRAME_/);
        }
      }),
    );
  });
});

describe("readSessionHeader", () => {
  it("reads a step", () => expect(readSessionHeader(STEP)).toEqual(STEP));
  it.each([
    ["unknown kind", { ...STEP, kind: "dance" }],
    ["extra field", { ...STEP, extra: 1 }],
    ["no positions", { ...STEP, count: 0, chain: new Uint8Array(0) }],
    ["chain of another length", { ...STEP, chain: new Uint8Array(HASH_BYTES) }],
    ["more logits than a step may ask for", { ...STEP, logitRows: LIMITS.logitRows + 1 }],
    ["negative position", { ...STEP, position: -1 }],
    ["fraction", { ...STEP, position: 0.5 }],
    ["session in capitals", { ...STEP, session: "AB".repeat(16) }],
    ["prefix too short", { ...STEP, prefix: new Uint8Array(1) }],
    ["too many positions", { ...STEP, count: LIMITS.stepPositions + 1, chain: new Uint8Array((LIMITS.stepPositions + 1) * HASH_BYTES) }],
    ["not an object", 7],
  ])("refuses %s", (_, header) => expect(() => readSessionHeader(header)).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" })));
});
