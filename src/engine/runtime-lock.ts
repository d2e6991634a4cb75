// Guards a WebAssembly runtime, which is not re-entrant: two runs that interleave, even of two sessions, corrupt its
// stack.

/**
 * Lets one call at a time into a runtime. This is no queue of steps: those wait in the span's step queue, which sends
 * one at a time. The lock is contended only when a session is opened, truncated or closed while a step of another one
 * runs, by the pause that keeps a share of compute free, and between engines that share one runtime, as in tests.
 */
export class RuntimeLock {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles like `work`, which starts once every call before it has settled. */
  hold<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {}); // the caller sees the failure
    return result;
  }
}
