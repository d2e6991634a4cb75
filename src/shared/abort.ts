// Waiting that can be cancelled: every wait on a peer, worker, disk or timer goes through one of these.
import type { Clock } from "./clock.ts";

/** Settles like `promise`, or rejects with `signal.reason` as soon as the signal aborts. Leaves no listener behind. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  promise.catch(() => {}); // once the signal has aborted, nobody is there to handle a failure
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

/**
 * Whether `promise` resolves within `ms` milliseconds. Rejects if the promise does so in
 * that time. Leaves no timer behind.
 */
export async function settlesWithin(promise: Promise<unknown>, ms: number, clock: Pick<Clock, "sleep">): Promise<boolean> {
  const timer = new AbortController();
  const late = clock.sleep(ms, timer.signal).then(() => false);
  late.catch(() => {}); // aborted below: `promise` was faster
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    timer.abort();
  }
}

/** Whether a thrown value is only the echo of `signal` having been aborted. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error instanceof Error && error.name === "AbortError"));
}

export interface Deadline {
  readonly clock: Pick<Clock, "sleep">;
  readonly ms: number;
  /** Makes the error that the wait rejects with when its time is over. */
  readonly onTimeout: () => Error;
}

/**
 * Runs `act` under a signal that aborts with `signal`, or with `onTimeout()` after `ms` milliseconds. Rejects as soon
 * as either happens, even if `act` goes on. Leaves neither timer nor listener behind, unlike `AbortSignal.timeout`:
 * there are thousands of such waits.
 */
export async function withDeadline<T>(
  { clock, ms, onTimeout }: Deadline,
  signal: AbortSignal,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const timer = new AbortController();
  const onAbort = (): void => limit.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  clock.sleep(ms, timer.signal).then(
    () => limit.abort(onTimeout()),
    () => {}, // `act` settled in time
  );
  try {
    return await abortable(act(limit.signal), limit.signal);
  } finally {
    timer.abort();
    signal.removeEventListener("abort", onAbort);
  }
}
