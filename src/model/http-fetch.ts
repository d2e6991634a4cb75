// One HTTP request that survives a bad moment: retried with growing, jittered pauses while trying again makes sense.
import type { Clock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";

/** The part of a response that is read. The platform's `Response` fits. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The platform's `fetch` fits. */
export type HttpFetch = (
  url: string,
  init: { readonly headers?: Record<string, string>; readonly signal: AbortSignal },
) => Promise<HttpResponse>;

/** What requests need of the outside. */
export interface HttpDeps {
  readonly fetch: HttpFetch;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export interface HttpReply {
  readonly status: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const DEFAULTS = Object.freeze({
  /** Tries in all. With the pauses below the last comes after about 5 seconds. */
  attempts: 5,
  /** The first pause, milliseconds; each further one is twice as long, and a random half is taken off. */
  pauseMs: 500,
});

/** Statuses that say "later": timeout, too many requests, and the server's own trouble. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/**
 * The reply to a GET of `url`, or of one range of it. Statuses other than 200, 206 and 416 are failures.
 * Throws MODEL_UNAVAILABLE when all tries failed or the server says no, or the signal's reason.
 */
export async function httpGet(
  deps: HttpDeps,
  url: string,
  range: { readonly start: number; readonly end: number } | undefined,
  signal: AbortSignal,
): Promise<HttpReply> {
  const headers = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` };
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    let reason: string;
    let cause: unknown;
    try {
      const response = await deps.fetch(url, { headers, signal });
      if (response.status === 200 || response.status === 206 || response.status === 416) {
        return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) };
      }
      reason = `status ${response.status}`;
      if (!isPassing(response.status)) throw new ManyhandsError("MODEL_UNAVAILABLE", `${url} cannot be had: ${reason}`);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ManyhandsError) throw error;
      reason = "the connection failed";
      cause = error;
    }
    if (attempt >= DEFAULTS.attempts)
      throw new ManyhandsError("MODEL_UNAVAILABLE", `${url} cannot be had after ${attempt} tries: ${reason}`, { cause });
    await deps.clock.sleep(DEFAULTS.pauseMs * 2 ** (attempt - 1) * (1 - deps.random() / 2), signal);
  }
}
