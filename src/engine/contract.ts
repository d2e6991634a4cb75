// Port of the engine, and the contract of its worker: one span in a runtime, with sessions that step through it.
import type { SessionId } from "../shared/ids.ts";
import type { SpanPlan, SplitSpan } from "../protocol/span-plan.ts";

/** The best candidates for the next token, after the last position of a step. */
export interface TopLogits {
  /** Token ids by falling logit; ties by rising id. */
  readonly ids: Int32Array;
  /** The f32 logits of `ids`, exactly as the graph gave them. */
  readonly values: Float32Array;
  /** log(sum(exp(logit))) over the whole vocabulary, from which true probabilities follow. */
  readonly logSumExp: number;
}

/** New positions for one session. Exactly one is given: `tokens` at the first span, `hidden` at any other. */
export interface StepInput {
  readonly session: SessionId;
  /** Positions that the cache must hold before the step. */
  readonly position: number;
  readonly count: number;
  readonly tokens: Int32Array | undefined;
  /** The boundary's tensors, one after the other, each row-major `[count, width]`, little-endian. */
  readonly hidden: Uint8Array<ArrayBuffer> | undefined;
  /** How many candidates the last span returns. */
  readonly topK: number;
  /** For how many of the step's last positions the last span returns candidates; by default 1. */
  readonly logitRows?: number;
}

/** Exactly one of `hidden` and `logits` is defined. */
export interface StepOutput {
  /** Positions that the cache holds now. */
  readonly position: number;
  readonly hidden: Uint8Array<ArrayBuffer> | undefined;
  readonly logits: TopLogits | undefined;
  /**
   * Candidates after the positions before the last one, oldest first: `logitRows - 1` rows, or none if the graph gives
   * only the logits of a step's last position. Empty at other spans.
   */
  readonly earlierLogits: readonly TopLogits[];
  /** Milliseconds in the runtime. */
  readonly computeMs: number;
  /**
   * Milliseconds from arrival to start: the pause that keeps a share of compute free, and others that use the runtime.
   */
  readonly waitMs: number;
}

/** Where a span runs, once loaded. */
export interface EngineReport {
  readonly backend: "wasm" | "webgpu";
  /** Peers of one class give the same bytes: runtime, version, backend, form of the weights and of the graph. */
  readonly determinismClass: string;
  /**
   * Whether a row's bits do not depend on the step that it is computed in, so that drafts and replays may use other
   * steps.
   */
  readonly rowInvariant: boolean;
  /** Milliseconds per layer of a decode step, measured after loading. */
  readonly layerMs: number;
  /** Milliseconds spent on unpacking packed weights while loading; 0 if there were none. */
  readonly conversionMs: number;
  /** Sentences that a person should read: WebGPU is absent, failed its self-test, or is slower. */
  readonly notices: readonly string[];
}

export interface EngineOptions {
  readonly backend: "auto" | "wasm" | "webgpu";
  /** Bytes of key/value cache that all sessions together may reserve. */
  readonly cacheBudgetBytes: number;
  /** Share of compute time that may be used, 0.1 to 1. */
  readonly share: number;
  /** Whether to run the span in its row-invariant form, if it has one; by default not. */
  readonly rowInvariant?: boolean;
}

/**
 * A loaded span. All methods throw ENGINE_FAILED once the runtime is gone, and SESSION_UNKNOWN for a session that is
 * not open. `open` throws SESSION_REFUSED if the cache budget is spent. `step` throws PREFIX_MISMATCH if `position` is
 * not the cache's length, and BAD_INPUT if it asks for more rows of logits than it has positions.
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
  /** Resolves when the runtime has died by itself. Never rejects. */
  readonly died: Promise<Error>;
}

/**
 * Builds a span; takes over the buffers of `source`. Throws ENGINE_FAILED, MODEL_UNSUPPORTED or the signal's reason.
 */
export type StartEngine = (source: SplitSpan, options: EngineOptions, signal: AbortSignal) => Promise<Engine>;
