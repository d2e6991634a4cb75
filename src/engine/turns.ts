// One call at a time into a WebAssembly runtime: two runs that interleave, even of two sessions, corrupt its stack.

/** Runs work in the order in which it was handed in. Engines on one runtime share one of these. */
export class Turns {
  #tail: Promise<unknown> = Promise.resolve();

  /** Settles like `work`, which starts once everything before it has settled. */
  take<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {}); // whoever handed the work in sees its failure
    return result;
  }
}
