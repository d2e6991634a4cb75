// The best candidates of one row of logits, and the log-sum-exp over all of them.
import type { TopLogits } from "./contract.ts";

/**
 * Returns the `k` largest of `logits`, by falling value and then by rising id. O(n log k), with a heap of the best so
 * far. NaN is never a candidate.
 */
export function topLogits(logits: Float32Array, k: number): TopLogits {
  const size = Math.min(k, logits.length);
  const heap = new Int32Array(size); // ids; the root is the worst of the best so far
  let held = 0;
  const worse = (a: number, b: number): boolean => {
    const x = logits[a] ?? -Infinity;
    const y = logits[b] ?? -Infinity;
    return x < y || (x === y && a > b);
  };
  const swap = (i: number, j: number): void => {
    const t = heap[i] ?? 0;
    heap[i] = heap[j] ?? 0;
    heap[j] = t;
  };
  const siftDown = (end: number): void => {
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= end) return;
      const right = left + 1;
      const child = right < end && worse(heap[right] ?? 0, heap[left] ?? 0) ? right : left;
      if (!worse(heap[child] ?? 0, heap[i] ?? 0)) return;
      swap(i, child);
      i = child;
    }
  };
  let max = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    if (value > max) max = value;
    if (held < size) {
      heap[held] = id;
      for (let i = held++; i > 0;) {
        const parent = (i - 1) >> 1;
        if (!worse(heap[i] ?? 0, heap[parent] ?? 0)) break;
        swap(i, parent);
        i = parent;
      }
    } else if (size > 0 && worse(heap[0] ?? 0, id)) {
      heap[0] = id;
      siftDown(size);
    }
  }
  for (let end = held - 1; end > 0; end--) {
    swap(0, end);
    siftDown(end);
  }
  const ids = heap.slice(0, held);
  let sum = 0;
  if (max > -Infinity) for (const value of logits) if (!Number.isNaN(value)) sum += Math.exp(value - max);
  return {
    ids,
    values: Float32Array.from(ids, (id) => logits[id] ?? Number.NaN),
    logSumExp: max === -Infinity ? -Infinity : max + Math.log(sum),
  };
}
