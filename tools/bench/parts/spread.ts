// Median with minimum and maximum, and percentiles: the form in which every bench prints its times.

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Returns each to four significant digits; NaN if there are no values. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
  const rounded = (value: number | undefined): number => Number((value ?? Number.NaN).toPrecision(4));
  return { median: rounded(median), min: rounded(sorted[0]), max: rounded(sorted.at(-1)) };
}

/** Returns the smallest value that at least `share` of the values do not exceed; NaN if there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface Pace {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Returns the pace of events that took `tookMs` each, and `wallMs` all together. */
export function paceOf(tookMs: readonly number[], wallMs: number): Pace {
  const at = (share: number): number => Number(percentile(tookMs, share).toFixed(2));
  return { perSecond: Math.round((1000 * tookMs.length) / wallMs), p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Returns the differences of neighbours: the times between tokens, given the times of tokens. */
export const gaps = (times: readonly number[]): readonly number[] => times.slice(1).map((at, index) => at - (times[index] ?? at));
