// How long to wait before the next try: longer with each failure, never in step with others.

export const DEFAULTS = Object.freeze({
  /** Milliseconds before the second try: a relay that restarts is back within a second. */
  firstMs: 500,
  /** Milliseconds at most: a person who brings the relay back should not wait longer than this. */
  maxMs: 15_000,
});

/**
 * Milliseconds to wait after `failures` failures in a row (1 and up): doubling, the upper half of it random, so that
 * tabs that lost the same relay do not come back at the same moment. `random` is in [0, 1).
 */
export function backoffMs(failures: number, random: number): number {
  const ceiling = Math.min(DEFAULTS.maxMs, DEFAULTS.firstMs * 2 ** Math.min(failures, 16));
  return Math.max(DEFAULTS.firstMs, (ceiling / 2) * (1 + random));
}
