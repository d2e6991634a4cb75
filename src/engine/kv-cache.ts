// The key/value caches of the open sessions, as tensors that the runtime left, under one byte budget.
import { ManyhandsError } from "../shared/errors.ts";
import type { SessionId } from "../shared/ids.ts";
import { cacheBytesPerPosition, type CacheTensor, type SpanPlan } from "../protocol/span-plan.ts";
import { type CacheValue, makeCache, type Ort, readCache } from "./ort.ts";

/** One session's cache in one span. */
export interface SessionCache {
  /** Positions that it holds. */
  length: number;
  readonly maxPositions: number;
  /** By the name of the graph's past input; empty while `length` is 0. */
  tensors: Map<string, CacheValue>;
}

/** The caches of all open sessions. */
export class KvCache {
  readonly #ort: Ort;
  readonly #plan: SpanPlan;
  readonly #budgetBytes: number;
  readonly #bytesPerPosition: number;
  readonly #sessions = new Map<SessionId, SessionCache>();
  #reservedBytes = 0;

  constructor(ort: Ort, plan: SpanPlan, budgetBytes: number) {
    this.#ort = ort;
    this.#plan = plan;
    this.#budgetBytes = budgetBytes;
    this.#bytesPerPosition = cacheBytesPerPosition(plan);
  }

  /** Throws SESSION_REFUSED if `maxPositions` more do not fit in the budget, or if the session is open already. */
  open(session: SessionId, maxPositions: number): void {
    if (this.#sessions.has(session)) throw new ManyhandsError("SESSION_REFUSED", "this session is open already");
    const bytes = maxPositions * this.#bytesPerPosition;
    if (this.#reservedBytes + bytes > this.#budgetBytes) {
      throw new ManyhandsError(
        "SESSION_REFUSED",
        `${maxPositions} positions do not fit: ${this.#sessions.size} sessions hold ${this.#reservedBytes} of ${this.#budgetBytes} bytes`,
      );
    }
    this.#reservedBytes += bytes;
    this.#sessions.set(session, { length: 0, maxPositions, tensors: new Map() });
  }

  /** Throws SESSION_UNKNOWN. */
  get(session: SessionId): SessionCache {
    const cache = this.#sessions.get(session);
    if (!cache) throw new ManyhandsError("SESSION_UNKNOWN", "this session is not open here");
    return cache;
  }

  close(session: SessionId): void {
    const cache = this.#sessions.get(session);
    if (!cache) return;
    for (const tensor of cache.tensors.values()) tensor.dispose();
    this.#sessions.delete(session);
    this.#reservedBytes -= cache.maxPositions * this.#bytesPerPosition;
  }

  /** Takes over the present tensors of a run, and frees the ones before. */
  replace(cache: SessionCache, tensors: Map<string, CacheValue>, length: number): void {
    for (const tensor of cache.tensors.values()) tensor.dispose();
    cache.tensors = tensors;
    cache.length = length;
  }

  /** Keeps the first `position` positions. Throws SESSION_UNKNOWN, or PREFIX_MISMATCH if there are fewer. */
  async truncate(session: SessionId, position: number): Promise<void> {
    const cache = this.get(session);
    if (position > cache.length)
      throw new ManyhandsError("PREFIX_MISMATCH", `the cache holds ${cache.length} positions, ${position} were to be kept`);
    if (position === cache.length) return;
    const kept = new Map<string, CacheValue>();
    if (position > 0) {
      for (const entry of this.#plan.caches) {
        const full = cache.tensors.get(entry.past);
        if (full) kept.set(entry.past, await this.#keep(full, entry, position));
      }
    }
    this.replace(cache, kept, position);
  }

  closeAll(): void {
    for (const session of [...this.#sessions.keys()]) this.close(session);
  }

  /** Cuts `[1, heads, length, headSize]` to `[1, heads, position, headSize]`. */
  async #keep(full: CacheValue, cache: CacheTensor, position: number): Promise<CacheValue> {
    const { dims, bytes: source } = await readCache(full);
    const length = dims[2] ?? 0;
    const row = cache.headSize * (cache.type === "float16" ? 2 : 4);
    const bytes = new Uint8Array(cache.heads * position * row);
    for (let head = 0; head < cache.heads; head++) {
      bytes.set(source.subarray(head * length * row, (head * length + position) * row), head * position * row);
    }
    return makeCache(this.#ort, cache.type, bytes, [1, cache.heads, position, cache.headSize]);
  }
}
