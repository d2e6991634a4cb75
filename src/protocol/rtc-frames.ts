// Frames by which two peers negotiate a direct connection, over a stream on which each has proved its key.
import * as v from "valibot";
import { readAs } from "./fields.ts";

export const RTC_LIMITS = Object.freeze({
  /** Characters of a session description: one for data channels alone has about 600. */
  sdpLength: 16 * 1024,
  /** Characters of one ICE candidate. */
  candidateLength: 1024,
  /** Candidates of one side: an address for each interface, server and protocol. */
  candidates: 64,
});

const sdp = v.pipe(v.string(), v.maxLength(RTC_LIMITS.sdpLength));

/**
 * The caller describes itself. The certificate's fingerprint in `sdp` is bound to the key that the stream has proved.
 */
const OfferFrame = v.strictObject({ kind: v.literal("offer"), sdp });
const AnswerFrame = v.strictObject({ kind: v.literal("answer"), sdp });
/** An address at which the sender may be reached. */
const CandidateFrame = v.strictObject({
  kind: v.literal("candidate"),
  candidate: v.pipe(v.string(), v.maxLength(RTC_LIMITS.candidateLength)),
  mid: v.nullable(v.pipe(v.string(), v.maxLength(64))),
});
/** The called peer has as many connections as it may have. */
const FullFrame = v.strictObject({ kind: v.literal("full") });

const RtcFrame = v.variant("kind", [OfferFrame, AnswerFrame, CandidateFrame, FullFrame]);
export type RtcFrame = v.InferOutput<typeof RtcFrame>;

/** Reads the header of a negotiation frame. Throws FRAME_MALFORMED. */
export const readRtcFrame = (header: unknown): RtcFrame => readAs(RtcFrame, header, "a negotiation frame");
