// Runs one span's graph in ONNX Runtime Web: takes a cache and new positions, gives a new cache and bytes or logits.
import type { InferenceSession, Tensor } from "onnxruntime-web";
import { joinRows, sliceRows } from "../protocol/boundary-rows.ts";
import type { SpanPlan, SpanSource } from "../protocol/span-plan.ts";
import { boundaryBytesPerPosition, rowBytes } from "../protocol/span-plan.ts";
import { ManyhandsError, errorMessage } from "../shared/errors.ts";
import { concatBytes } from "../shared/bytes.ts";
import { DrainingBytes, DrainingQueue } from "./draining-bytes.ts";
import type { SessionCache } from "./kv-cache.ts";
import { type CacheValue, makeTensor, type Ort, tensorBytes } from "./ort.ts";
import { HeapTensor, type RuntimeHeap } from "./runtime-heap.ts";

export interface SpanRunnerOptions {
  readonly executionProviders: InferenceSession.SessionOptions["executionProviders"];
  /** Whether to leave the caches in GPU buffers between steps. */
  readonly cacheOnDevice: boolean;
  /**
   * Whether to free the source's weights as the runtime copies them: nothing else can be built from this source then.
   */
  readonly drain?: boolean;
  /** Cache lengths that no run may cross: a step that would is run in parts. Ascending. */
  readonly stepBreaks?: readonly number[];
}

/** The cache's new tensors, and either the boundary's bytes or the logits of every new position. */
export interface RunResult {
  readonly caches: Map<string, CacheValue>;
  readonly hidden: Uint8Array<ArrayBuffer> | undefined;
  /** Tensor `[1, count, vocabulary]` on the CPU. */
  readonly logits: Tensor | undefined;
}

interface CachedRun {
  readonly outputs: InferenceSession.OnnxValueMapType;
  readonly caches: Map<string, CacheValue>;
}

/** One span in one runtime session. Not re-entrant: the caller runs one step at a time. */
export class SpanRunner {
  readonly plan: SpanPlan;
  readonly #ort: Ort;
  readonly #session: InferenceSession;
  /** Names of the outputs beside the caches. */
  readonly #outputs: readonly string[];
  readonly #cacheOnDevice: boolean;
  readonly #stepBreaks: readonly number[];
  #ones = new BigInt64Array(0);

  private constructor(ort: Ort, plan: SpanPlan, session: InferenceSession, options: SpanRunnerOptions) {
    this.#ort = ort;
    this.#stepBreaks = options.stepBreaks ?? [];
    this.#cacheOnDevice = options.cacheOnDevice;
    this.plan = plan;
    this.#session = session;
    this.#outputs = plan.logits ? [plan.logits.name] : plan.boundaryOut.map((tensor) => tensor.name);
  }

  /**
   * Builds the runtime session. A runtime may build one at a time, because it mounts external data globally (see
   * RuntimeLock). Throws ENGINE_FAILED with the runtime's own words.
   */
  static async create(ort: Ort, source: SpanSource, options: SpanRunnerOptions): Promise<SpanRunner> {
    const { plan } = source;
    ort.env.wasm.numThreads = 1; // barrier threads collapse if cores are shared; see docs/decisions.md
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
      return new SpanRunner(ort, plan, session, options);
    } catch (cause) {
      throw new ManyhandsError(
        "ENGINE_FAILED",
        `the runtime could not build layers ${plan.span.start} to ${plan.span.end - 1}: ${errorMessage(cause)}`,
        { cause },
      );
    }
  }

  /**
   * Runs `count` new positions after those in `cache`, which stays as it is. `hidden` is laid out as StepInput says.
   * Throws FRAME_MALFORMED if its size is wrong, or ENGINE_FAILED.
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
    const { heap } = this.#ort;
    let outputs: InferenceSession.OnnxValueMapType;
    let caches: Map<string, CacheValue>;
    try {
      ({ outputs, caches } =
        heap && !this.#cacheOnDevice ? await this.#runInHeap(heap, cache, feeds) : await this.#runCopied(cache, feeds));
    } catch (cause) {
      throw new ManyhandsError("ENGINE_FAILED", `the runtime failed in a step of ${count} positions: ${errorMessage(cause)}`, { cause });
    }
    const output = (name: string): Tensor => {
      const value = outputs[name];
      if (!value) throw new ManyhandsError("ENGINE_FAILED", `the runtime gave no "${name}"`);
      return value;
    };
    return {
      caches,
      hidden: this.plan.logits ? undefined : joinBoundary(this.plan.boundaryOut.map((tensor) => tensorBytes(output(tensor.name)))),
      logits: this.plan.logits ? output(this.plan.logits.name) : undefined,
    };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  /** Caches go in and come out as tensors of the package, which copies them if they are on the CPU. */
  async #runCopied(cache: Pick<SessionCache, "tensors">, feeds: Record<string, Tensor>): Promise<CachedRun> {
    for (const { past } of this.plan.caches) {
      const tensor = cache.tensors.get(past);
      if (tensor !== undefined && !(tensor instanceof HeapTensor)) feeds[past] = tensor;
    }
    const outputs = await this.#session.run(feeds, [...this.#outputs, ...this.plan.caches.map(({ present }) => present)]);
    return { outputs, caches: new Map(this.plan.caches.map(({ past, present }) => [past, outputs[present] as Tensor])) }; // it was fetched
  }

  /** Caches stay in the runtime's memory. */
  async #runInHeap(heap: RuntimeHeap, cache: Pick<SessionCache, "tensors">, feeds: Record<string, Tensor>): Promise<CachedRun> {
    const { caches } = this.plan;
    const inputs = new Map<string, HeapTensor>();
    for (const [past, tensor] of cache.tensors) if (tensor instanceof HeapTensor) inputs.set(past, tensor);
    const fetches: Record<string, Tensor | null> = Object.fromEntries(this.#outputs.map((name) => [name, null]));
    for (const { present, type } of caches) fetches[present] = makeTensor(this.#ort, type, new Uint8Array(0), [0]);
    const types = new Map(caches.map(({ present, type }) => [present, type]));
    const { value: outputs, kept } = await heap.keep(inputs, types, () => this.#session.run(feeds, fetches));
    return { outputs, caches: new Map(caches.map(({ past, present }) => [past, kept.get(present) as HeapTensor])) }; // `keep` leaves all of them
  }

  #feeds(
    cache: Pick<SessionCache, "length">,
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
        const bytes = rowBytes(tensor) * count;
        feeds[tensor.name] = makeTensor(this.#ort, tensor.type, hidden.subarray(offset, offset + bytes), [1, count, tensor.width]);
        offset += bytes;
      }
    }
    // Empty caches, which the caller replaces if a run has left others.
    for (const { past, type, heads, headSize } of plan.caches)
      feeds[past] = makeTensor(this.#ort, type, new Uint8Array(0), [1, heads, 0, headSize]);
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
