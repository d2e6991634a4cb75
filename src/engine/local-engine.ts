// An engine in this thread: a span's runner, its sessions' caches, and the share of compute that is kept free. The
// engine worker wraps it, and Node uses it as it is.
import type { Tensor } from "onnxruntime-web";
import type { Clock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { SessionId } from "../shared/ids.ts";
import type { Engine, EngineOptions, EngineReport, StepInput, StepOutput, TopLogits } from "./contract.ts";
import { floatLogits } from "./float16.ts";
import { KvCache } from "./kv-cache.ts";
import type { Ort } from "./ort.ts";
import type { Runner } from "./runner-chain.ts";
import { RuntimeLock } from "./runtime-lock.ts";
import { topLogits } from "./top-logits.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds that a pause for the share lasts at most: a person's slider must not stall an answer. */
  maxPauseMs: 2000,
});

export interface LocalEngineOptions extends Pick<EngineOptions, "cacheBudgetBytes" | "share"> {
  readonly clock: Clock;
  /** Engines on one runtime share one lock. */
  readonly lock?: RuntimeLock;
}

export class LocalEngine implements Engine {
  readonly plan;
  readonly report: EngineReport;
  readonly died = new Promise<Error>(() => {}); // in this thread, nothing dies alone
  readonly #runner: Runner;
  readonly #cache: KvCache;
  readonly #clock: Clock;
  readonly #lock: RuntimeLock;
  #share: number;
  #disposed = false;

  constructor(ort: Ort, runner: Runner, report: EngineReport, options: LocalEngineOptions) {
    const { clock, lock = new RuntimeLock() } = options;
    this.plan = runner.plan;
    this.report = report;
    this.#runner = runner;
    this.#cache = new KvCache(ort, runner.plan, options.cacheBudgetBytes);
    this.#share = options.share;
    this.#clock = clock;
    this.#lock = lock;
  }

  open(session: SessionId, maxPositions: number): Promise<void> {
    return this.#locked(() => this.#cache.open(session, maxPositions));
  }

  step(input: StepInput): Promise<StepOutput> {
    const arrivedMs = this.#clock.now();
    return this.#locked(async () => {
      const cache = this.#cache.get(input.session);
      if (cache.length !== input.position)
        throw new ManyhandsError("PREFIX_MISMATCH", `the cache holds ${cache.length} positions, the step starts at ${input.position}`);
      if (cache.length + input.count > cache.maxPositions)
        throw new ManyhandsError("SESSION_REFUSED", `the session was opened for ${cache.maxPositions} positions`);
      const { logitRows = 1 } = input;
      if (!Number.isInteger(logitRows) || logitRows < 1 || logitRows > input.count)
        throw new ManyhandsError("BAD_INPUT", `a step of ${input.count} positions has no ${logitRows} rows of logits`);
      const startedMs = this.#clock.now();
      const result = await this.#runner.run(cache, input.count, input.tokens, input.hidden);
      const rows = result.logits ? lastRows(result.logits, logitRows, input.topK) : [];
      this.#cache.replace(cache, result.caches, input.position + input.count);
      const computeMs = this.#clock.now() - startedMs;
      this.#pause(computeMs);
      const [logits, earlierLogits] = [rows.at(-1), rows.slice(0, -1)];
      return { position: cache.length, hidden: result.hidden, logits, earlierLogits, computeMs, waitMs: startedMs - arrivedMs };
    });
  }

  truncate(session: SessionId, position: number): Promise<void> {
    return this.#locked(() => this.#cache.truncate(session, position));
  }

  close(session: SessionId): Promise<void> {
    return this.#locked(() => this.#cache.close(session));
  }

  setShare(share: number): void {
    this.#share = Math.min(1, Math.max(0.1, share));
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#lock.hold(async () => {
      this.#cache.closeAll();
      await this.#runner.release();
    });
  }

  #locked<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#lock.hold(() => {
      if (this.#disposed) throw new ManyhandsError("ENGINE_FAILED", "this span is no longer loaded");
      return work();
    });
  }

  /** Keeps the rest of the duty cycle free before the next call, without delaying this one's result. */
  #pause(computeMs: number): void {
    if (this.#share >= 1) return;
    void this.#lock.hold(() => this.#clock.sleep(Math.min(DEFAULTS.maxPauseMs, computeMs * (1 / this.#share - 1))));
  }
}

/** Returns the candidates after the last `wanted` positions, oldest first; after fewer if the graph gives no more. */
function lastRows(logits: Tensor, wanted: number, topK: number): TopLogits[] {
  const values = floatLogits(logits);
  const width = logits.dims.at(-1) ?? values.length;
  const rows = Math.min(wanted, values.length / width);
  return Array.from({ length: rows }, (_, row) => {
    const end = values.length - (rows - 1 - row) * width;
    return topLogits(values.subarray(end - width, end), topK);
  });
}
