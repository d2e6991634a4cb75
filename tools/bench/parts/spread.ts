// Median with minimum and maximum, and percentiles: how every timing of a bench is told.

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Each to four significant digits; NaN of nothing. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
  const tell = (value: number | undefined): number => Number((value ?? Number.NaN).toPrecision(4));
  return { median: tell(median), min: tell(sorted[0]), max: tell(sorted.at(-1)) };
}

/** The smallest value that at least `share` of all do not exceed; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface Pace {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Of things that each took so long, and all together `wallMs`. */
export function paceOf(tookMs: readonly number[], wallMs: number): Pace {
  const at = (share: number): number => Number(percentile(tookMs, share).toFixed(2));
  return { perSecond: Math.round((1000 * tookMs.length) / wallMs), p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Differences of neighbours: times between tokens from the times of tokens. */
export const gaps = (times: readonly number[]): readonly number[] => times.slice(1).map((at, index) => at - (times[index] ?? at));
