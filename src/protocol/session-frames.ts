// Frames of the session protocol: they open a span, step it, return logits, mend a broken route, refuse and close.
import * as v from "valibot";
import type { ErrorCode } from "../shared/errors.ts";
import { hash, modelId, natural, peerId, readAs, sessionId } from "./fields.ts";
import { LIMITS } from "./version.ts";

/** Bytes of one link of the running hash over accepted tokens (SHA-256, truncated). */
export const HASH_BYTES = 16;

/** One link of the running hash. */
const link = v.pipe(v.instance(Uint8Array), v.length(HASH_BYTES));
const position = natural(2 ** 31 - 1);
/** Fields of a question, and of its reply, which carries the same `id`. */
const question = { session: sessionId, id: natural(2 ** 31 - 1) };
const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));

/** The milliseconds that one span took in a step: computing, and waiting for its turn. */
export const SpanTiming = v.strictObject({
  start: natural(LIMITS.layers),
  end: natural(LIMITS.layers),
  computeMs: milliseconds,
  waitMs: milliseconds,
});
export type SpanTiming = v.InferOutput<typeof SpanTiming>;

/** The peer that gets a span's output, and the end of the span that this peer holds. */
const NextSpan = v.strictObject({ peer: peerId, end: natural(LIMITS.layers) });
export type NextSpan = v.InferOutput<typeof NextSpan>;

/** Requester to each span of the route, before the first step. */
export const OpenFrame = v.strictObject({
  kind: v.literal("open"),
  session: sessionId,
  /** PROTOCOL_VERSION of the requester. Another one is refused with VERSION_MISMATCH. */
  version: natural(2 ** 16),
  model: modelId,
  start: natural(LIMITS.layers),
  end: natural(LIMITS.layers),
  /** The peer that sends this span its steps: the requester for the first span, else the peer before it. */
  previous: peerId,
  /** Null for the last span, which sends its logits to the requester. */
  next: v.nullable(NextSpan),
  /** Start of the running hash. The requester draws it, so that the hash reveals nothing about the tokens. */
  root: link,
  /** Candidates that the last span returns for a step. */
  topK: v.pipe(natural(LIMITS.topLogits), v.minValue(1)),
  /** The most positions that the session may come to hold. The span admits its cache by them. */
  maxPositions: v.pipe(position, v.minValue(1)),
  /**
   * Set for an audit: steps of another session are computed again. The output stays here,
   * to be compared, and nobody waits for it.
   */
  audit: v.optional(v.literal(true)),
  /** Hidden states cross as half floats, each rounded to the nearest one, wherever the graph has f32. */
  wire: v.optional(v.literal("float16")),
});
export type OpenFrame = v.InferOutput<typeof OpenFrame>;

/** Span to requester: the session is open. */
export const OpenedFrame = v.strictObject({
  kind: v.literal("opened"),
  session: sessionId,
  /**
   * Whether a position's bits do not depend on the step that it is computed in here. Then
   * drafts do not change the text.
   */
  rowInvariant: v.boolean(),
});
export type OpenedFrame = v.InferOutput<typeof OpenedFrame>;

/**
 * New positions. From the requester to the first span, the payload is int32 token ids `[count]`.
 * From a span to the next one, it is the tensors of the boundary one after the other, each
 * row-major `[count, width]`, little-endian, in the form that the session's `wire` names.
 */
export const StepFrame = v.pipe(
  v.strictObject({
    kind: v.literal("step"),
    session: sessionId,
    /** Positions before this step. */
    position,
    count: v.pipe(natural(LIMITS.stepPositions), v.minValue(1)),
    /** Running hash after `position` accepted tokens: the hash that the cache must end in. */
    prefix: link,
    /** Running hash after each new position, `HASH_BYTES` each. */
    chain: v.instance(Uint8Array),
    /** Whether the cache may be longer than `position`: the span first drops the positions after it. */
    truncate: v.boolean(),
    /**
     * Whether the step is sent again from a log: positions that the span holds already are
     * compared and dropped, not computed.
     */
    replay: v.boolean(),
    /** Number of last positions whose logits the requester wants: 0 in the earlier chunks of a prefill. */
    logitRows: natural(LIMITS.logitRows),
    timings: v.pipe(v.array(SpanTiming), v.maxLength(LIMITS.routeSpans)),
  }),
  v.check((frame) => frame.chain.byteLength === frame.count * HASH_BYTES, "the chain has one hash for each position"),
);
export type StepFrame = v.InferOutput<typeof StepFrame>;

/**
 * Last span to requester, for every step that it computed. The payload has, for each of `rows`
 * positions, the last one last: `topK` int32 token ids by falling logit, `topK` f32 logits,
 * one f32 log-sum-exp. For a step whose logits nobody wants it is empty, and `topK` is 0. If
 * the graph gives only the last position's logits, there is one row, however many are wanted.
 */
export const LogitsFrame = v.strictObject({
  kind: v.literal("logits"),
  session: sessionId,
  /** Positions that the session holds after the step. */
  position,
  /** Running hash after the step: it says which step this is, if several steps ended at `position`. */
  head: link,
  rows: natural(LIMITS.logitRows),
  topK: natural(LIMITS.topLogits),
  timings: v.pipe(v.array(SpanTiming), v.maxLength(LIMITS.routeSpans)),
});
export type LogitsFrame = v.InferOutput<typeof LogitsFrame>;

/** Why a span refuses a session or a step: the codes that may cross the wire. */
const RefusalCode = v.picklist([
  "SESSION_UNKNOWN",
  "SESSION_FOREIGN",
  "SESSION_REFUSED",
  "PREFIX_MISMATCH",
  "POSITION_MISMATCH",
  "REPLAY_MISMATCH",
  "VERSION_MISMATCH",
  "FRAME_MALFORMED",
  "FRAME_UNEXPECTED",
  "FRAME_TOO_LARGE",
  "SIZE_MISMATCH",
  "ENGINE_FAILED",
  "PEER_LOST",
  "PEER_UNREACHABLE",
]);

/** Why a span cannot do what it was asked for. */
const reason = { code: RefusalCode, message: v.pipe(v.string(), v.maxLength(400)) };

/** Whether a code may cross the wire as the reason of a refusal. */
export const isRefusalCode = (code: ErrorCode): code is v.InferOutput<typeof RefusalCode> => v.is(RefusalCode, code);

/** Span to requester: this session cannot go on here. */
export const RefusedFrame = v.strictObject({
  kind: v.literal("refused"),
  session: sessionId,
  ...reason,
});
export type RefusedFrame = v.InferOutput<typeof RefusedFrame>;

/**
 * Span to requester: the session is intact here, but a neighbour left or broke the
 * protocol. The span keeps its cache and its log, and waits for a `relink`.
 */
export const StrandedFrame = v.strictObject({
  kind: v.literal("stranded"),
  session: sessionId,
  side: v.picklist(["previous", "next"]),
  ...reason,
});
export type StrandedFrame = v.InferOutput<typeof StrandedFrame>;

/** Span to requester: this peer leaves. It serves until it is replaced, or is gone this instant if `now` is set. */
export const LeavingFrame = v.strictObject({ kind: v.literal("leaving"), session: sessionId, now: v.boolean() });
export type LeavingFrame = v.InferOutput<typeof LeavingFrame>;

/**
 * Requester to a span that stays: it has new neighbours. Null leaves a side as it is. A
 * new `next` gets the whole log again.
 */
export const RelinkFrame = v.strictObject({
  kind: v.literal("relink"),
  ...question,
  previous: v.nullable(peerId),
  next: v.nullable(NextSpan),
});
export type RelinkFrame = v.InferOutput<typeof RelinkFrame>;

/** Requester to a span: are you still there? */
export const ProbeFrame = v.strictObject({ kind: v.literal("probe"), ...question });
export type ProbeFrame = v.InferOutput<typeof ProbeFrame>;

/** Span to requester: reply to a `probe`, or to a `relink` that is done. */
export const AliveFrame = v.strictObject({
  kind: v.literal("alive"),
  ...question,
  /** Positions accepted. */
  position,
  /** Whether a step of the session waits or is computed here, or its output has not been sent yet. */
  busy: v.boolean(),
});
export type AliveFrame = v.InferOutput<typeof AliveFrame>;

/**
 * Requester to a span: send your log to the peer in `to` as well, as steps of session `as`, which is open there. The
 * reply is `alive` once everything is sent, or `declined`.
 */
export const ReplayFrame = v.strictObject({
  kind: v.literal("replay"),
  ...question,
  to: NextSpan,
  as: sessionId,
  /** Number of positions to send, from the first on. */
  upTo: v.pipe(position, v.minValue(1)),
  /** Whether steps may be joined: both spans give a position the same bits in every step. */
  merge: v.boolean(),
});
export type ReplayFrame = v.InferOutput<typeof ReplayFrame>;

/**
 * Requester to a span: what went in and came out at positions `[from, to)`? The span of
 * an audit replies once it is that far.
 */
export const TallyFrame = v.strictObject({
  kind: v.literal("tally"),
  ...question,
  from: position,
  to: v.pipe(position, v.minValue(1)),
});
export type TallyFrame = v.InferOutput<typeof TallyFrame>;

/** Span to requester: SHA-256 over the hashes of the positions' inputs, and over those of their outputs. */
export const TalliedFrame = v.strictObject({
  kind: v.literal("tallied"),
  ...question,
  input: hash,
  output: hash,
});
export type TalliedFrame = v.InferOutput<typeof TalliedFrame>;

/** Requester to a span: send the outputs of these positions themselves. It is for peers whose bits differ by nature. */
export const SampleFrame = v.strictObject({
  kind: v.literal("sample"),
  ...question,
  positions: v.pipe(v.array(position), v.minLength(1), v.maxLength(LIMITS.sampledPositions)),
  /** Whether only the hashes of the inputs are wanted. */
  inputsOnly: v.boolean(),
});
export type SampleFrame = v.InferOutput<typeof SampleFrame>;

/** Span to requester. Payload: the outputs one after the other, if they are wanted. */
export const SampledFrame = v.strictObject({
  kind: v.literal("sampled"),
  ...question,
  /** The hash of each position's input, `HASH_BYTES` each. */
  inputs: v.instance(Uint8Array),
  /** What an output consists of: numbers, or candidates as in a frame of logits. */
  type: v.picklist(["float32", "float16", "logits"]),
});
export type SampledFrame = v.InferOutput<typeof SampledFrame>;

/** Span to requester: this peer cannot do what was asked under `id`. The session goes on. */
export const DeclinedFrame = v.strictObject({
  kind: v.literal("declined"),
  ...question,
  ...reason,
});
export type DeclinedFrame = v.InferOutput<typeof DeclinedFrame>;

/** Requester to each span: free the session's cache. */
export const CloseFrame = v.strictObject({ kind: v.literal("close"), session: sessionId });
export type CloseFrame = v.InferOutput<typeof CloseFrame>;

const SessionHeader = v.variant("kind", [
  OpenFrame,
  OpenedFrame,
  StepFrame,
  LogitsFrame,
  RefusedFrame,
  StrandedFrame,
  LeavingFrame,
  RelinkFrame,
  ProbeFrame,
  AliveFrame,
  ReplayFrame,
  TallyFrame,
  TalliedFrame,
  SampleFrame,
  SampledFrame,
  DeclinedFrame,
  CloseFrame,
]);
export type SessionHeader = v.InferOutput<typeof SessionHeader>;

/** Reads the header of a session frame. Throws FRAME_MALFORMED. */
export const readSessionHeader = (header: unknown): SessionHeader => readAs(SessionHeader, header, "a session frame");
