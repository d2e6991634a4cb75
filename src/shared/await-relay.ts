// How long a person waits for a relay that is away, and what they read then, with or without the node's code.
import { abortable, withDeadline } from "./abort.ts";
import type { Clock } from "./clock.ts";
import { ManyhandsError } from "./errors.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds that a person waits for a relay that does not reply. */
  patienceMs: 12_000,
});

export interface RelayWait {
  readonly clock: Pick<Clock, "sleep">;
  /** The relay's origin, as the person reads it. */
  readonly relay: string;
  /** Whether the relay is what this wait waits for. If not, something else takes long, and the wait goes on. */
  readonly isAway: () => boolean;
  /** What the person should do, as a sentence. */
  readonly advice: string;
}

/**
 * Settles like `waiting`, but does not wait forever for a relay that is away; `waiting` itself goes on. Throws
 * RELAY_UNREACHABLE, what `waiting` throws, or the signal's reason.
 */
export async function awaitRelay<T>(waiting: Promise<T>, { clock, relay, isAway, advice }: RelayWait, signal: AbortSignal): Promise<T> {
  waiting.catch(() => {}); // thrown below, unless nobody waits for it any more
  const late = new ManyhandsError("RELAY_UNREACHABLE", `The relay at ${relay} does not answer, so no peers can be found. ${advice}`);
  try {
    return await withDeadline({ clock, ms: DEFAULTS.patienceMs, onTimeout: () => late }, signal, () => waiting);
  } catch (error) {
    if (error !== late || isAway()) throw error;
    return abortable(waiting, signal);
  }
}
