// What this peer's spans counted lately, by session, span and positions: what claims are made from and statements are held against.
import type { Clock } from "../shared/clock.ts";
import type { Span } from "../shared/ids.ts";
import { RecentMap } from "../shared/recent-map.ts";
import type { SpanTally } from "../shared/span-tally.ts";

export const DEFAULTS = Object.freeze({
  /** Tallies remembered: receipts are made within a minute of an answer. Half a KB each. */
  tallies: 1024,
  /** Milliseconds to wait for a tally that a worker may be about to tell. */
  lateMs: 2_000,
});

/** Names a tally. */
export type TallyKey = Pick<SpanTally, "session" | "span" | "positions">;

export class TallyBook {
  readonly #clock: Clock;
  readonly #tallies = new RecentMap<string, SpanTally>(DEFAULTS.tallies);
  #more = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(tally: SpanTally): void {
    this.#tallies.set(keyOf(tally), tally);
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }

  /** Waits a moment for one that is not there yet. */
  async find(key: TallyKey): Promise<SpanTally | undefined> {
    const untilMs = this.#clock.now() + DEFAULTS.lateMs;
    for (;;) {
      const found = this.#tallies.get(keyOf(key));
      const leftMs = untilMs - this.#clock.now();
      if (found !== undefined || leftMs <= 0) return found;
      const timer = new AbortController();
      await Promise.race([this.#more.promise, this.#clock.sleep(leftMs, timer.signal).catch(() => {})]); // there is more
      timer.abort();
    }
  }

  /** Of spans that end, or begin, at a boundary of the route: what a neighbour saw. */
  async beside({ session, positions }: Omit<TallyKey, "span">, isNeighbour: (span: Span) => boolean): Promise<SpanTally | undefined> {
    const of = (tally: SpanTally): boolean =>
      tally.session === session &&
      !tally.isAudit &&
      tally.positions.start === positions.start &&
      tally.positions.end === positions.end &&
      isNeighbour(tally.span);
    return [...this.#tallies.values()].find(of);
  }
}

const keyOf = ({ session, span, positions }: TallyKey): string =>
  `${session} ${span.start}-${span.end} ${positions.start}-${positions.end}`;
