// The tasks that wait to be assigned, most urgent first: by priority, then by deadline, then in the order of
// submission.

export interface Urgency {
  /** Higher goes first; 0 is usual. */
  readonly priority: number;
  /** By the dispatcher's clock; Infinity if the task has none. */
  readonly deadlineMs: number;
  /** Counts up with each task. */
  readonly order: number;
}

const isBefore = (a: Urgency, b: Urgency): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.deadlineMs !== b.deadlineMs ? a.deadlineMs < b.deadlineMs : a.order < b.order;

/** A binary heap in an array. Items that are over stay in it until they are picked; then the picker drops them. */
export class TaskQueue<Item extends Urgency> {
  readonly #heap: Item[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(item: Item): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(item, heap[above] as Item)) break; // inside the heap
      heap[at] = heap[above] as Item;
      at = above;
    }
    heap[at] = item;
  }

  /**
   * Removes and returns the most urgent items that `choose` takes, at most `count`. Looks at no more than `scan` items.
   */
  pick(count: number, scan: number, choose: (item: Item) => "take" | "leave" | "drop"): Item[] {
    const taken: Item[] = [];
    const left: Item[] = [];
    for (let seen = 0; seen < scan && taken.length < count; seen++) {
      const item = this.#pop();
      if (item === undefined) break;
      const choice = choose(item);
      if (choice === "take") taken.push(item);
      if (choice === "leave") left.push(item);
    }
    for (const item of left) this.push(item);
    return taken;
  }

  #pop(): Item | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Item, heap[below] as Item)) below++;
      if (!isBefore(heap[below] as Item, last)) break;
      heap[at] = heap[below] as Item;
      at = below;
    }
    heap[at] = last;
    return top;
  }
}
