// An engine in this thread: a span runner, its caches, one step at a time, and the share of compute that is kept back.
// The engine worker wraps it; Node uses it as it is.
import { type Clock, systemClock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { SessionId } from "../shared/ids.ts";
import type { Engine, EngineOptions, EngineReport, StepInput, StepOutput, TopLogits } from "./contract.ts";
import type { Tensor } from "onnxruntime-web";
import { KvCache } from "./kv-cache.ts";
import type { Ort } from "./ort.ts";
import type { Runner } from "./runner-chain.ts";
import { floatLogits } from "./float16.ts";
import { topLogits } from "./top-logits.ts";
import { Turns } from "./turns.ts";

const DEFAULTS = Object.freeze({
  /** A pause for the share is never longer, milliseconds: a person's slider must not stall an answer. */
  maxPauseMs: 2000,
});

export interface LocalEngineOptions extends Pick<EngineOptions, "cacheBudgetBytes" | "share"> {
  readonly clock?: Clock;
  /** Shared by all engines of one runtime. */
  readonly turns?: Turns;
}

export class LocalEngine implements Engine {
  readonly plan;
  readonly report: EngineReport;
  readonly died = new Promise<Error>(() => {}); // in this thread there is nothing that dies alone
  readonly #runner: Runner;
  readonly #cache: KvCache;
  readonly #clock: Clock;
  readonly #turns: Turns;
  #share: number;
  #disposed = false;

  constructor(ort: Ort, runner: Runner, report: EngineReport, options: LocalEngineOptions) {
    const { clock = systemClock, turns = new Turns() } = options;
    this.plan = runner.plan;
    this.report = report;
    this.#runner = runner;
    this.#cache = new KvCache(ort, runner.plan, options.cacheBudgetBytes);
    this.#share = options.share;
    this.#clock = clock;
    this.#turns = turns;
  }

  open(session: SessionId, maxPositions: number): Promise<void> {
    return this.#exclusive(() => this.#cache.open(session, maxPositions));
  }

  step(input: StepInput): Promise<StepOutput> {
    const arrived = this.#clock.now();
    return this.#exclusive(async () => {
      const cache = this.#cache.get(input.session);
      if (cache.length !== input.position)
        throw new ManyhandsError("PREFIX_MISMATCH", `the cache holds ${cache.length} positions, the step starts at ${input.position}`);
      if (cache.length + input.count > cache.maxPositions)
        throw new ManyhandsError("SESSION_REFUSED", `the session was opened for ${cache.maxPositions} positions`);
      const { logitRows = 1 } = input;
      if (!Number.isInteger(logitRows) || logitRows < 1 || logitRows > input.count)
        throw new ManyhandsError("BAD_INPUT", `a step of ${input.count} positions has no ${logitRows} rows of logits`);
      const started = this.#clock.now();
      const result = await this.#runner.run(cache, input.count, input.tokens, input.hidden);
      const rows = result.logits ? lastRows(result.logits, logitRows, input.topK) : [];
      this.#cache.replace(cache, result.caches, input.position + input.count);
      const computeMs = this.#clock.now() - started;
      this.#pause(computeMs);
      const [logits, earlierLogits] = [rows.at(-1), rows.slice(0, -1)];
      return { position: cache.length, hidden: result.hidden, logits, earlierLogits, computeMs, waitMs: started - arrived };
    });
  }

  truncate(session: SessionId, position: number): Promise<void> {
    return this.#exclusive(() => this.#cache.truncate(session, position));
  }

  close(session: SessionId): Promise<void> {
    return this.#exclusive(() => this.#cache.close(session));
  }

  setShare(share: number): void {
    this.#share = Math.min(1, Math.max(0.1, share));
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#turns.take(async () => {
      this.#cache.closeAll();
      await this.#runner.release();
    });
  }

  #exclusive<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#turns.take(() => {
      if (this.#disposed) throw new ManyhandsError("ENGINE_FAILED", "this span is no longer loaded");
      return work();
    });
  }

  /** Keeps the rest of the duty cycle free before the next call, without holding back this one's answer. */
  #pause(computeMs: number): void {
    if (this.#share >= 1) return;
    void this.#turns.take(() => this.#clock.sleep(Math.min(DEFAULTS.maxPauseMs, computeMs * (1 / this.#share - 1))));
  }
}

/** Candidates after the last `wanted` positions, oldest first; after fewer where the graph gives no more. */
function lastRows(logits: Tensor, wanted: number, topK: number): TopLogits[] {
  const values = floatLogits(logits);
  const width = logits.dims.at(-1) ?? values.length;
  const rows = Math.min(wanted, values.length / width);
  return Array.from({ length: rows }, (_, row) => {
    const end = values.length - (rows - 1 - row) * width;
    return topLogits(values.subarray(end - width, end), topK);
  });
}
