// Bytes per second over the last seconds, for a progress bar.

/** Milliseconds that count as "the last seconds". */
const WINDOW_MS = 3000;
/** Milliseconds before the first rate means anything. */
const MIN_MS = 200;

export class RateMeter {
  /** Moments and totals, oldest first. */
  readonly #points: { readonly ms: number; readonly bytes: number }[] = [];

  /** Notes that there were `bytes` in all at `ms`. */
  note(ms: number, bytes: number): void {
    this.#points.push({ ms, bytes });
    // One point from before the window stays: the window's bytes are counted from it.
    while ((this.#points[1]?.ms ?? Infinity) < ms - WINDOW_MS) this.#points.shift();
  }

  /** 0 until known. */
  get bytesPerSecond(): number {
    const first = this.#points[0];
    const last = this.#points.at(-1);
    if (first === undefined || last === undefined || last.ms - first.ms < MIN_MS) return 0;
    return ((last.bytes - first.bytes) / (last.ms - first.ms)) * 1000;
  }
}
