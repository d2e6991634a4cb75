// Runs one span's graph in ONNX Runtime Web: feeds from a cache and new positions, outputs as bytes or logits.
import type { InferenceSession, Tensor } from "onnxruntime-web";
import { joinRows, sliceRows } from "../protocol/boundary-rows.ts";
import type { SpanPlan, SpanSource } from "../protocol/span-plan.ts";
import { boundaryBytesPerPosition } from "../protocol/span-plan.ts";
import { ManyhandsError, errorMessage } from "../shared/errors.ts";
import { concatBytes } from "../shared/bytes.ts";
import { DrainingBytes, DrainingQueue } from "./draining-bytes.ts";
import type { SessionCache } from "./kv-cache.ts";
import { makeTensor, type Ort, tensorBytes } from "./ort.ts";

export interface SpanRunnerOptions {
  readonly executionProviders: InferenceSession.SessionOptions["executionProviders"];
  /** Leave the caches in GPU buffers between steps. */
  readonly cacheOnDevice: boolean;
  /** Take over the source's weights and free them as the runtime copies them: nothing else is built from this source. */
  readonly drain?: boolean;
  /** Cache lengths that no run may cross: a step that does is run in parts. Ascending. */
  readonly stepBreaks?: readonly number[];
}

/** What a run gives: the cache's new tensors, and either the boundary's bytes or the logits of every new position. */
export interface RunResult {
  readonly caches: Map<string, Tensor>;
  readonly hidden: Uint8Array<ArrayBuffer> | undefined;
  /** Tensor `[1, count, vocabulary]` on the CPU. */
  readonly logits: Tensor | undefined;
}

/** One span in one runtime session. Not re-entrant: the caller runs one step at a time. */
export class SpanRunner {
  readonly plan: SpanPlan;
  readonly #ort: Ort;
  readonly #session: InferenceSession;
  readonly #fetches: readonly string[];
  readonly #stepBreaks: readonly number[];
  #ones = new BigInt64Array(0);

  private constructor(ort: Ort, plan: SpanPlan, session: InferenceSession, stepBreaks: readonly number[]) {
    this.#ort = ort;
    this.#stepBreaks = stepBreaks;
    this.plan = plan;
    this.#session = session;
    const outputs = plan.logits ? [plan.logits.name] : plan.boundaryOut.map((tensor) => tensor.name);
    this.#fetches = [...outputs, ...plan.caches.map((cache) => cache.present)];
  }

  /** Builds the runtime session; one at a time in each runtime, which mounts external data globally (see Turns). Throws ENGINE_FAILED with the runtime's own words. */
  static async create(ort: Ort, source: SpanSource, options: SpanRunnerOptions): Promise<SpanRunner> {
    const { plan } = source;
    ort.env.wasm.numThreads = 1; // barrier threads collapse where cores are shared; see docs/decisions.md
    const device = options.cacheOnDevice
      ? { preferredOutputLocation: Object.fromEntries(plan.caches.map((cache) => [cache.present, "gpu-buffer" as const])) }
      : {};
    const queue = new DrainingQueue();
    try {
      const session = await ort.InferenceSession.create(source.graph, {
        executionProviders: options.executionProviders ?? ["wasm"],
        externalData: source.externalData.map(({ path, data, readOnce }) => ({
          path,
          data: options.drain && readOnce ? DrainingBytes.over(data, queue) : data,
        })),
        graphOptimizationLevel: "all",
        logSeverityLevel: 3,
        ...device,
      });
      queue.drain();
      return new SpanRunner(ort, plan, session, options.stepBreaks ?? []);
    } catch (cause) {
      throw new ManyhandsError(
        "ENGINE_FAILED",
        `the runtime could not build layers ${plan.span.start} to ${plan.span.end - 1}: ${errorMessage(cause)}`,
        { cause },
      );
    }
  }

  /**
   * Runs `count` new positions after those in `cache`; the cache itself is left as it is.
   * `hidden` is laid out as StepInput says. Throws FRAME_MALFORMED where its size is wrong, ENGINE_FAILED otherwise.
   */
  async run(
    cache: Pick<SessionCache, "length" | "tensors">,
    count: number,
    tokens: Int32Array | undefined,
    hidden: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<RunResult> {
    const end = this.#stepBreaks.find((length) => cache.length < length && length < cache.length + count);
    if (end === undefined) return this.#runPart(cache, count, tokens, hidden);
    const { boundaryIn, boundaryOut } = this.plan;
    this.#checkHidden(count, hidden);
    const before = end - cache.length;
    const part = (from: number, to: number): Uint8Array<ArrayBuffer> | undefined =>
      hidden && sliceRows(boundaryIn, hidden, count, from, to);
    const first = await this.#runPart(cache, before, tokens?.subarray(0, before), part(0, before));
    const second = await this.run({ length: end, tensors: first.caches }, count - before, tokens?.subarray(before), part(before, count));
    for (const tensor of first.caches.values()) tensor.dispose();
    return {
      caches: second.caches,
      hidden: first.hidden && second.hidden && joinRows(boundaryOut, before, first.hidden, count - before, second.hidden),
      logits: first.logits && second.logits && this.#joinLogits(first.logits, second.logits, count),
    };
  }

  async #runPart(
    cache: Pick<SessionCache, "length" | "tensors">,
    count: number,
    tokens: Int32Array | undefined,
    hidden: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<RunResult> {
    const feeds = this.#feeds(cache, count, tokens, hidden);
    let outputs: InferenceSession.OnnxValueMapType;
    try {
      outputs = await this.#session.run(feeds, [...this.#fetches]);
    } catch (cause) {
      throw new ManyhandsError("ENGINE_FAILED", `the runtime failed in a step of ${count} positions: ${errorMessage(cause)}`, { cause });
    }
    const output = (name: string): Tensor => {
      const value = outputs[name];
      if (!value) throw new ManyhandsError("ENGINE_FAILED", `the runtime gave no "${name}"`);
      return value;
    };
    return {
      caches: new Map(this.plan.caches.map((entry) => [entry.past, output(entry.present)])),
      hidden: this.plan.logits ? undefined : joinBoundary(this.plan.boundaryOut.map((tensor) => tensorBytes(output(tensor.name)))),
      logits: this.plan.logits ? output(this.plan.logits.name) : undefined,
    };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  #feeds(
    cache: Pick<SessionCache, "length" | "tensors">,
    count: number,
    tokens: Int32Array | undefined,
    hidden: Uint8Array<ArrayBuffer> | undefined,
  ): Record<string, Tensor> {
    const { plan } = this;
    const feeds: Record<string, Tensor> = {};
    if (plan.tokens !== undefined) {
      if (tokens?.length !== count) throw new ManyhandsError("FRAME_MALFORMED", `this span takes token ids, ${count} of them`);
      feeds[plan.tokens] = new this.#ort.Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, count]);
    }
    if (plan.attentionMask !== undefined)
      feeds[plan.attentionMask] = new this.#ort.Tensor("int64", this.#mask(cache.length + count), [1, cache.length + count]);
    if (plan.positionIds !== undefined) {
      feeds[plan.positionIds] = new this.#ort.Tensor(
        "int64",
        BigInt64Array.from({ length: count }, (_, i) => BigInt(cache.length + i)),
        [1, count],
      );
    }
    this.#checkHidden(count, hidden);
    if (hidden && plan.boundaryIn.length > 0) {
      let offset = 0;
      for (const tensor of plan.boundaryIn) {
        const bytes = tensor.width * count * (tensor.type === "float16" ? 2 : 4);
        feeds[tensor.name] = makeTensor(this.#ort, tensor.type, hidden.subarray(offset, offset + bytes), [1, count, tensor.width]);
        offset += bytes;
      }
    }
    for (const entry of plan.caches) {
      feeds[entry.past] =
        cache.tensors.get(entry.past) ?? makeTensor(this.#ort, entry.type, new Uint8Array(0), [1, entry.heads, 0, entry.headSize]);
    }
    return feeds;
  }

  #checkHidden(count: number, hidden: Uint8Array | undefined): void {
    const { boundaryIn } = this.plan;
    const expected = boundaryBytesPerPosition(boundaryIn) * count;
    if (boundaryIn.length > 0 && hidden?.byteLength !== expected)
      throw new ManyhandsError(
        "FRAME_MALFORMED",
        `this span takes ${expected} bytes of hidden state for ${count} positions, not ${hidden?.byteLength ?? 0}`,
      );
  }

  #joinLogits(first: Tensor, second: Tensor, count: number): Tensor {
    const bytes = concatBytes([tensorBytes(first), tensorBytes(second)]);
    return makeTensor(this.#ort, first.type === "float16" ? "float16" : "float32", bytes, [1, count, first.dims[2] ?? 0]);
  }

  #mask(length: number): BigInt64Array {
    if (this.#ones.length < length) this.#ones = new BigInt64Array(Math.max(length, 2 * this.#ones.length)).fill(1n);
    return this.#ones.subarray(0, length);
  }
}

function joinBoundary(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only, ...rest] = parts;
  return only && rest.length === 0 ? only : concatBytes(parts);
}
