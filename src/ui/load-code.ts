// Loads the node's code when it is first wanted. The code comes from the relay, so this waits while the relay is away.
import type { Backoff } from "../shared/backoff.ts";

export interface LoadCodeOptions {
  readonly fetch: (url: string, init: RequestInit) => Promise<{ readonly status: number }>;
  /** An address at which the relay replies whenever it runs. */
  readonly url: string;
  readonly backoff: Pick<Backoff, "pause">;
}

/** The wait for the code, as its caller sees it. */
export interface CodeWait {
  readonly signal: AbortSignal;
  /** Called when the relay does not reply, with the milliseconds until it is asked again. */
  readonly onAway: (retryInMs: number) => void;
}

/**
 * Waits until the relay replies, then returns what `load` imports: a browser may remember that a module could not be
 * fetched, and not try again. Throws what `load` throws, or the signal's reason.
 */
export async function loadCode<T>(options: LoadCodeOptions, load: () => Promise<T>, { signal, onAway }: CodeWait): Promise<T> {
  while (!(await replies(options, signal))) await options.backoff.pause(onAway, signal);
  return load();
}

async function replies({ fetch, url }: LoadCodeOptions, signal: AbortSignal): Promise<boolean> {
  try {
    const { status } = await fetch(url, { signal, cache: "no-store" });
    return status < 500; // from 500 on, a proxy speaks for a relay that is away
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
