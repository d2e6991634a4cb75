// Frames of the session protocol: open a span, step it, answer with logits, refuse, close.
import * as v from "valibot";
import { type ErrorCode, ManyhandsError } from "../shared/errors.ts";
import { asModelId, asPeerId, asSessionId } from "../shared/ids.ts";
import { LIMITS } from "./version.ts";

/** Bytes of one link of the running hash over accepted tokens (SHA-256, truncated). */
export const HASH_BYTES = 16;

const bytes = (length: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.byteLength === length),
  );
const natural = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));
const sessionId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/), v.transform(asSessionId));
const peerId = v.pipe(v.string(), v.minLength(8), v.maxLength(128), v.transform(asPeerId));
const modelId = v.pipe(v.string(), v.minLength(8), v.maxLength(128), v.transform(asModelId));
const position = natural(2 ** 31 - 1);
const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));

/** What one span took in a step, milliseconds: computing, and waiting for its turn. */
export const SpanTiming = v.strictObject({
  start: natural(LIMITS.layers),
  end: natural(LIMITS.layers),
  computeMs: milliseconds,
  waitMs: milliseconds,
});
export type SpanTiming = v.InferOutput<typeof SpanTiming>;

/** Requester to each span of the route, before the first step. */
export const OpenFrame = v.strictObject({
  kind: v.literal("open"),
  session: sessionId,
  model: modelId,
  start: natural(LIMITS.layers),
  end: natural(LIMITS.layers),
  /** Who sends this span its steps: the requester for the first span, else the peer before it. */
  previous: peerId,
  /** Who gets this span's output, and where the layers end that it holds from `end` on; null for the last span, which answers the requester. */
  next: v.nullable(v.strictObject({ peer: peerId, end: natural(LIMITS.layers) })),
  /** Head of the running hash, drawn by the requester, so that the hash tells nothing about the tokens. */
  root: bytes(HASH_BYTES),
  /** Candidates that the last span returns for a step. */
  topK: v.pipe(natural(LIMITS.topLogits), v.minValue(1)),
  /** Positions that the session may come to hold: what the cache is admitted for. */
  maxPositions: v.pipe(position, v.minValue(1)),
});
export type OpenFrame = v.InferOutput<typeof OpenFrame>;

/** Span to requester: the session is open. */
export const OpenedFrame = v.strictObject({ kind: v.literal("opened"), session: sessionId });
export type OpenedFrame = v.InferOutput<typeof OpenedFrame>;

/**
 * New positions. From the requester to the first span the payload is int32 token ids `[count]`; from a span to the
 * next it is the boundary's tensors one after the other, each row-major `[count, width]`, little-endian.
 */
export const StepFrame = v.pipe(
  v.strictObject({
    kind: v.literal("step"),
    session: sessionId,
    /** Positions before this step. */
    position,
    count: v.pipe(natural(LIMITS.stepPositions), v.minValue(1)),
    /** Running hash after `position` accepted tokens: what the cache must end in. */
    prefix: bytes(HASH_BYTES),
    /** Running hash after each new position, `HASH_BYTES` each. */
    chain: v.instance(Uint8Array),
    /** The cache may be longer than `position`: drop what comes after it first. */
    truncate: v.boolean(),
    timings: v.pipe(v.array(SpanTiming), v.maxLength(LIMITS.routeSpans)),
  }),
  v.check((frame) => frame.chain.byteLength === frame.count * HASH_BYTES, "the chain has one hash for each position"),
);
export type StepFrame = v.InferOutput<typeof StepFrame>;

/** Last span to requester. Payload: `topK` int32 token ids by falling logit, `topK` f32 logits, one f32 log-sum-exp. */
export const LogitsFrame = v.strictObject({
  kind: v.literal("logits"),
  session: sessionId,
  /** Positions that the session holds after the step. */
  position,
  topK: v.pipe(natural(LIMITS.topLogits), v.minValue(1)),
  timings: v.pipe(v.array(SpanTiming), v.maxLength(LIMITS.routeSpans)),
});
export type LogitsFrame = v.InferOutput<typeof LogitsFrame>;

/** Why a span refuses a session or a step: the codes that may cross the wire. */
const RefusalCode = v.picklist([
  "SESSION_UNKNOWN",
  "SESSION_FOREIGN",
  "SESSION_REFUSED",
  "PREFIX_MISMATCH",
  "FRAME_MALFORMED",
  "FRAME_TOO_LARGE",
  "ENGINE_FAILED",
  "PEER_LOST",
  "PEER_UNREACHABLE",
]);

/** Whether a code may cross the wire as the reason of a refusal. */
export const isRefusalCode = (code: ErrorCode): code is v.InferOutput<typeof RefusalCode> => v.is(RefusalCode, code);

/** Span to requester: this session cannot go on here. */
export const RefusedFrame = v.strictObject({
  kind: v.literal("refused"),
  session: sessionId,
  code: RefusalCode,
  message: v.pipe(v.string(), v.maxLength(400)),
});
export type RefusedFrame = v.InferOutput<typeof RefusedFrame>;

/** Requester to each span: free the session's cache. */
export const CloseFrame = v.strictObject({ kind: v.literal("close"), session: sessionId });
export type CloseFrame = v.InferOutput<typeof CloseFrame>;

const SessionHeader = v.variant("kind", [OpenFrame, OpenedFrame, StepFrame, LogitsFrame, RefusedFrame, CloseFrame]);
export type SessionHeader = v.InferOutput<typeof SessionHeader>;

/** Reads the header of a session frame. Throws FRAME_MALFORMED. */
export function readSessionHeader(header: unknown): SessionHeader {
  const result = v.safeParse(SessionHeader, header);
  if (result.success) return result.output;
  throw new ManyhandsError("FRAME_MALFORMED", `not a session frame: ${result.issues[0].message}`);
}
