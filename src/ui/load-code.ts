// Fetches the node's code when it is first wanted. It comes from the relay, so while that is away it is waited for.
import type { Backoff } from "../shared/backoff.ts";

export interface LoadCodeDeps {
  readonly fetch: (url: string, init: RequestInit) => Promise<{ readonly status: number }>;
  /** Answers whenever the relay does. */
  readonly url: string;
  readonly backoff: Pick<Backoff, "pause">;
}

/** Whoever waits meanwhile. */
export interface Waiting {
  readonly signal: AbortSignal;
  /** The relay does not answer; it is asked again after so many milliseconds. */
  readonly onAway: (retryInMs: number) => void;
}

/**
 * What `load` imports, begun only once the relay answers: browsers may remember a module that could not be fetched.
 * Throws what `load` throws, or the signal's reason.
 */
export async function loadCode<T>(deps: LoadCodeDeps, load: () => Promise<T>, { signal, onAway }: Waiting): Promise<T> {
  while (!(await answers(deps, signal))) await deps.backoff.pause(onAway, signal);
  return load();
}

async function answers({ fetch, url }: LoadCodeDeps, signal: AbortSignal): Promise<boolean> {
  try {
    const { status } = await fetch(url, { signal, cache: "no-store" });
    return status < 500; // above: a proxy that speaks for a relay that is away
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
