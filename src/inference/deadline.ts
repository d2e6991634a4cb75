// A wait that ends in time, by the clock that was given: what a session asks of a peer must not hang.
import type { Clock } from "../shared/clock.ts";

/**
 * Runs `work` under a signal that aborts with `signal`, or after `ms` milliseconds with `onTimeout()`. Rejects as soon as
 * either comes, whatever `work` does; leaves neither timer nor listener behind.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  onTimeout: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const timer = new AbortController();
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {}); // nobody listens any more once `work` has settled
  const end = (reason: unknown): void => {
    limit.abort(reason);
    ended.reject(reason);
  };
  const onAbort = (): void => end(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  clock.sleep(ms, timer.signal).then(
    () => end(onTimeout()),
    () => {}, // ended in time
  );
  try {
    return await Promise.race([work(limit.signal), ended.promise]);
  } finally {
    timer.abort();
    signal.removeEventListener("abort", onAbort);
  }
}
