// Negotiation frames: only what two peers may say to each other before there is a connection is read.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrame, encodeFrame } from "../../../src/protocol/frame.ts";
import { readRtcFrame, RTC_LIMITS } from "../../../src/protocol/rtc-frames.ts";
import { errorCode } from "../../../src/shared/errors.ts";

const codeOf = (header: unknown): string | undefined => {
  try {
    readRtcFrame(header);
    return "read";
  } catch (error) {
    return errorCode(error);
  }
};

describe("readRtcFrame", () => {
  it.each([
    { kind: "offer", sdp: "v=0" },
    { kind: "answer", sdp: "v=0" },
    { kind: "candidate", candidate: "candidate:1 1 UDP 1 127.0.0.1 9 typ host", mid: "0" },
    { kind: "candidate", candidate: "", mid: null },
    { kind: "full" },
  ])("reads $kind back from the wire", (frame) => {
    expect(readRtcFrame(decodeFrame(encodeFrame(frame)).header)).toEqual(frame);
  });

  it.each([
    ["an offer without a description", { kind: "offer" }],
    ["a description that is too long", { kind: "offer", sdp: "x".repeat(RTC_LIMITS.sdpLength + 1) }],
    ["a candidate that is too long", { kind: "candidate", candidate: "x".repeat(RTC_LIMITS.candidateLength + 1), mid: null }],
    ["something more", { kind: "full", more: 1 }],
    ["another kind", { kind: "open" }],
  ])("refuses %s", (_what, header) => expect(codeOf(header)).toBe("FRAME_MALFORMED"));

  it("refuses anything else with a code", () => {
    fc.assert(
      fc.property(fc.anything(), (header) => {
        expect(["FRAME_MALFORMED", "read"]).toContain(codeOf(header));
      }),
    );
  });
});
