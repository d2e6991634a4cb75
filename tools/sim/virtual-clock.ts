// Time that moves only when everything that could happen now has happened: hours of a swarm take milliseconds, and are
// the same every time.
import type { Clock } from "../../src/shared/clock.ts";

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
  cancelled: boolean;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  #orders = 0;
  /** A binary heap, the earliest first. */
  readonly #heap: Due[] = [];

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const cancel = this.in(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Calls `act` after `ms` milliseconds. Returns a function that cancels the call. */
  in(ms: number, act: () => void): () => void {
    const due: Due = { atMs: this.#nowMs + Math.max(0, ms), order: this.#orders++, act, cancelled: false };
    this.#push(due);
    return () => {
      due.cancelled = true;
    };
  }

  /**
   * Lets time pass until `isDone`, or until `untilMs`. Returns whether it was done; false also if nothing is left to
   * happen.
   */
  async run(isDone: () => boolean, untilMs: number): Promise<boolean> {
    for (;;) {
      // A turn of the event loop: every promise that can settle now has settled after it.
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (isDone()) return true;
      let due = this.#pop();
      while (due?.cancelled === true) due = this.#pop();
      if (due === undefined) return false;
      if (due.atMs > untilMs) {
        this.#push(due);
        this.#nowMs = untilMs;
        return false;
      }
      this.#nowMs = due.atMs;
      due.act();
    }
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(heap[at] as Due, heap[above] as Due)) return; // both are inside the heap
      [heap[at], heap[above]] = [heap[above] as Due, heap[at] as Due];
      at = above;
    }
  }

  #pop(): Due | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2]) {
        const due = heap[below];
        if (due !== undefined && isBefore(due, heap[least] as Due)) least = below; // `least` is inside the heap
      }
      if (least === at) return first;
      [heap[at], heap[least]] = [heap[least] as Due, heap[at] as Due];
      at = least;
    }
  }
}

const isBefore = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
