// Port and worker contract of the engine: one span in a runtime, with sessions that step through it.
import type { SessionId } from "../shared/ids.ts";
import type { SpanPlan, SplitSpan } from "../protocol/span-plan.ts";

/** The best candidates for the next token, after the last position of a step. */
export interface TopLogits {
  /** Token ids by falling logit; ties by rising id. */
  readonly ids: Int32Array;
  /** f32 logits of `ids`, exactly as the graph gave them. */
  readonly values: Float32Array;
  /** log(sum(exp(logit))) over the whole vocabulary, so that true probabilities can be had. */
  readonly logSumExp: number;
}

/** New positions for one session. Exactly one of `tokens` (first span) and `hidden` (any other) is given. */
export interface StepInput {
  readonly session: SessionId;
  /** Positions that the cache must hold before the step. */
  readonly position: number;
  readonly count: number;
  readonly tokens: Int32Array | undefined;
  /** Boundary tensors one after the other, each row-major `[count, width]`, little-endian. */
  readonly hidden: Uint8Array<ArrayBuffer> | undefined;
  /** Candidates to return where this is the last span. */
  readonly topK: number;
  /** Last positions of the step to return candidates after, where this is the last span; by default 1. */
  readonly logitRows?: number;
}

/** Exactly one of `hidden` and `logits` is there. */
export interface StepOutput {
  /** Positions that the cache holds now. */
  readonly position: number;
  readonly hidden: Uint8Array<ArrayBuffer> | undefined;
  readonly logits: TopLogits | undefined;
  /**
   * Candidates after the positions before the last, oldest first: `logitRows - 1` of them, or none where the graph gives
   * the logits of a step's last position alone. Empty in other spans.
   */
  readonly earlierLogits: readonly TopLogits[];
  /** Milliseconds in the runtime. */
  readonly computeMs: number;
  /** Milliseconds from arrival to start: the pause that keeps a share of compute free, and others that use the runtime. */
  readonly waitMs: number;
}

/** Where a span runs, once loaded. */
export interface EngineReport {
  readonly backend: "wasm" | "webgpu";
  /** Peers of one class give the same bytes: runtime, version, backend, form of the weights and of the graph. */
  readonly determinismClass: string;
  /** Whether a row's bits do not depend on the step that it is computed in, so that drafts and replays may choose their own. */
  readonly rowInvariant: boolean;
  /** Milliseconds per layer of a decode step, measured after loading. */
  readonly layerMs: number;
  /** Milliseconds in which packed weights were unpacked while loading; 0 where none were. */
  readonly conversionMs: number;
  /** What a person should know: WebGPU absent, refused by its self-test, or slower. */
  readonly notices: readonly string[];
}

export interface EngineOptions {
  readonly backend: "auto" | "wasm" | "webgpu";
  /** Bytes of key/value cache that all sessions together may reserve. */
  readonly cacheBudgetBytes: number;
  /** Share of compute time that may be used, 0.1 to 1. */
  readonly share: number;
  /** Whether to run the span in its row-invariant form, where it has one; by default not. */
  readonly rowInvariant?: boolean;
}

/**
 * A loaded span. All methods throw ENGINE_FAILED once the runtime is gone.
 * `open` throws SESSION_REFUSED where the cache budget is spent, `step` PREFIX_MISMATCH where `position` is not the
 * cache's length, BAD_INPUT where it asks for more rows of logits than it has, all SESSION_UNKNOWN for a session that is not open.
 */
export interface Engine {
  readonly plan: SpanPlan;
  readonly report: EngineReport;
  /** Reserves cache for `maxPositions` positions. */
  open(session: SessionId, maxPositions: number): Promise<void>;
  step(input: StepInput): Promise<StepOutput>;
  /** Drops the cache after `position` positions. */
  truncate(session: SessionId, position: number): Promise<void>;
  /** Frees the session's cache. Unknown sessions are ignored. */
  close(session: SessionId): Promise<void>;
  setShare(share: number): void;
  /** Frees the runtime and its memory. Idempotent. */
  dispose(): Promise<void>;
  /** Settles, never rejects, when the runtime died by itself. */
  readonly died: Promise<Error>;
}

/** Builds a span; takes over the buffers of `source`. Throws ENGINE_FAILED, MODEL_UNSUPPORTED or the signal's reason. */
export type StartEngine = (source: SplitSpan, options: EngineOptions, signal: AbortSignal) => Promise<Engine>;
