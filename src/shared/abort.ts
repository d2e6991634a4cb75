// Waiting that can be cancelled: every wait on a peer, worker, disk or timer goes through one of these.

/** Settles like `promise`, or rejects with `signal.reason` as soon as the signal aborts. Leaves no listener behind. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  promise.catch(() => {}); // a failure after the abort is nobody's any more
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}

/** Whether a thrown value is only the echo of `signal` having been aborted. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error instanceof Error && error.name === "AbortError"));
}

/**
 * Runs `work` under a signal that aborts with `signal`, or after `ms` milliseconds with `onTimeout()`. Leaves neither timer
 * nor listener behind: for waits that come by the thousand, where `AbortSignal.timeout` would pile up.
 */
export async function withDeadline<T>(
  signal: AbortSignal,
  ms: number,
  onTimeout: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const onAbort = (): void => limit.abort(signal.reason);
  const timer = setTimeout(() => limit.abort(onTimeout()), ms);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
