// An engine over a tiny model: each layer is a recurrence in whole numbers with a cache of its own, so that any wrong
// cache, input or chunk gives another text. Fast enough for thousands of swarms.
import type { Engine, EngineReport, StepInput, StepOutput, TopLogits } from "../../src/engine/contract.ts";
import type { SpanPlan } from "../../src/protocol/span-plan.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import type { ModelId, SessionId, Span } from "../../src/shared/ids.ts";

/** Numbers of a hidden state: 32 bits each, which cross as if they were the bits of floats. */
const WIDTH = 4;
export const VOCABULARY = 40;

interface Cache {
  readonly maxPositions: number;
  /** By layer of the span: the state after each position. */
  readonly layers: readonly number[][];
}

export interface RecurrenceOptions {
  readonly model: ModelId;
  readonly layerCount: number;
  readonly span: Span;
  readonly clock: Clock;
  /** Whether a position's state is the same in any step that it is computed in. */
  readonly rowInvariant: boolean;
  /** Returns the milliseconds that a step of so many positions takes. */
  readonly stepMs: (count: number) => number;
}

export class RecurrenceEngine implements Engine {
  readonly plan: SpanPlan;
  readonly report: EngineReport;
  readonly died = new Promise<Error>(() => {}); // it lives as long as its peer
  /** How much every number in its output is off; 0 is honest. */
  lie = 0;
  readonly #options: RecurrenceOptions;
  readonly #sessions = new Map<SessionId, Cache>();

  constructor(options: RecurrenceOptions) {
    this.#options = options;
    const { model, layerCount, span, rowInvariant } = options;
    this.report = { backend: "wasm", determinismClass: "recurrence", rowInvariant, layerMs: 1, conversionMs: 0, notices: [] };
    const boundary = [{ name: "hidden", type: "float32", width: WIDTH }] as const;
    this.plan = {
      model,
      span,
      layerCount,
      contextLength: 512,
      tokens: span.start === 0 ? "tokens" : undefined,
      attentionMask: undefined,
      positionIds: undefined,
      boundaryIn: span.start === 0 ? [] : boundary,
      boundaryOut: span.end === layerCount ? [] : boundary,
      logits: span.end === layerCount ? { name: "logits", type: "float32", vocabularySize: VOCABULARY } : undefined,
      caches: [],
    };
  }

  get openSessions(): number {
    return this.#sessions.size;
  }

  async open(session: SessionId, maxPositions: number): Promise<void> {
    if (this.#sessions.has(session)) throw new ManyhandsError("SESSION_REFUSED", "this session is open already");
    const { start, end } = this.#options.span;
    this.#sessions.set(session, { maxPositions, layers: Array.from({ length: end - start }, () => []) });
  }

  async step({ session, position, count, tokens, hidden, topK, logitRows = 1 }: StepInput): Promise<StepOutput> {
    const { clock, span, stepMs, rowInvariant } = this.#options;
    const startedMs = clock.now();
    await clock.sleep(stepMs(count));
    const cache = this.#sessions.get(session);
    if (cache === undefined) throw new ManyhandsError("SESSION_UNKNOWN", "no such session");
    if (cache.layers[0]?.length !== position) throw new ManyhandsError("PREFIX_MISMATCH", "the cache has another length");
    const states = hidden
      ? new Uint32Array(hidden.buffer, hidden.byteOffset, count * WIDTH).slice()
      : embed(tokens ?? new Int32Array(), count);
    for (const [index, layer] of cache.layers.entries()) runLayer(layer, states, count, rowInvariant, span.start + index);
    states.forEach((value, index) => (states[index] = (value + this.lie) >>> 0));
    const computeMs = clock.now() - startedMs;
    const done = { position: position + count, computeMs, waitMs: 0 };
    if (this.plan.logits === undefined) return { ...done, hidden: new Uint8Array(states.buffer), logits: undefined, earlierLogits: [] };
    const rows = Array.from({ length: Math.max(1, logitRows) }, (_, index) => count - Math.max(1, logitRows) + index);
    const [logits, ...earlier] = rows
      .map((row) => project(states.subarray(row * WIDTH, (row + 1) * WIDTH), topK, rowInvariant))
      .toReversed();
    return { ...done, hidden: undefined, logits, earlierLogits: earlier.toReversed() };
  }

  async truncate(session: SessionId, position: number): Promise<void> {
    for (const layer of this.#sessions.get(session)?.layers ?? []) layer.length = Math.min(layer.length, position);
  }

  async close(session: SessionId): Promise<void> {
    this.#sessions.delete(session);
  }

  setShare(): void {
    // it always computes at full speed
  }

  async dispose(): Promise<void> {
    this.#sessions.clear();
  }
}

const mix = (a: number, b: number): number => {
  const t = Math.imul(a ^ (b + 0x9e3779b9), 0x85ebca6b);
  return (Math.imul(t ^ (t >>> 13), 0xc2b2ae35) ^ (t >>> 16)) >>> 0;
};

function embed(tokens: Int32Array, count: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: count * WIDTH }, (_, index) => mix(tokens[Math.floor(index / WIDTH)] ?? 0, index % WIDTH));
}

/**
 * A state follows from the one before and the input and, unless rows are invariant, from how many positions are
 * computed at once.
 */
function runLayer(cache: number[], states: Uint32Array, count: number, rowInvariant: boolean, layer: number): void {
  for (let row = 0; row < count; row++) {
    const at = row * WIDTH;
    let state = mix(cache.at(-1) ?? layer + 1, rowInvariant ? 1 : count);
    for (let i = 0; i < WIDTH; i++) state = mix(state, states[at + i] ?? 0);
    cache.push(state);
    for (let i = 0; i < WIDTH; i++) states[at + i] = mix((states[at + i] ?? 0) + i, state);
  }
}

/** `narrow`: two tokens are far more likely than all others, so that drafts hold now and then. */
function project(state: Uint32Array, topK: number, narrow: boolean): TopLogits {
  const scores = Array.from({ length: VOCABULARY }, (_, id) => ({
    id,
    score: Math.fround((mix(mix(state[0] ?? 0, id), state[3] ?? 0) % 4096) / 512 + (narrow && id < 2 ? 10 : 0)),
  }));
  const best = scores.toSorted((a, b) => b.score - a.score || a.id - b.id).slice(0, topK);
  return {
    ids: Int32Array.from(best, ({ id }) => id),
    values: Float32Array.from(best, ({ score }) => score),
    logSumExp: Math.fround(Math.log(scores.reduce((sum, { score }) => sum + Math.exp(score), 0))),
  };
}
