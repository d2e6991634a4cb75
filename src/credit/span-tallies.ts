// What this peer's own spans computed lately. Its claims are made from these tallies, and a statement about another
// peer's work is compared with them before this peer signs it.
import type { Clock } from "../shared/clock.ts";
import type { Span } from "../shared/ids.ts";
import { RecentMap } from "../shared/recent-map.ts";
import type { SpanTally } from "../shared/span-tally.ts";

const DEFAULTS = Object.freeze({
  /** Tallies that are remembered, half a kilobyte each. Receipts are made within a minute of an answer. */
  tallies: 1024,
  /** Milliseconds to wait for a tally that a worker may be about to report. */
  lateMs: 2_000,
});

/** Names a tally. */
export type TallyKey = Pick<SpanTally, "session" | "span" | "positions">;

export class SpanTallies {
  readonly #clock: Clock;
  readonly #tallies = new RecentMap<string, SpanTally>(DEFAULTS.tallies);
  /** Resolves when the next tally is added. */
  #added = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(tally: SpanTally): void {
    this.#tallies.set(nameOf(tally), tally);
    this.#added.resolve();
    this.#added = Promise.withResolvers();
  }

  /** Returns the tally with this key. Waits for `lateMs` at most if it is not here yet, and then returns undefined. */
  async find(key: TallyKey): Promise<SpanTally | undefined> {
    const untilMs = this.#clock.now() + DEFAULTS.lateMs;
    for (;;) {
      const found = this.#tallies.get(nameOf(key));
      const leftMs = untilMs - this.#clock.now();
      if (found !== undefined || leftMs <= 0) return found;
      const timer = new AbortController();
      await Promise.race([this.#added.promise, this.#clock.sleep(leftMs, timer.signal).catch(() => {})]); // aborted below
      timer.abort();
    }
  }

  /** Returns the tally of the same positions at a span that `isNeighbour` accepts. Audits do not count. */
  findNeighbour({ session, positions }: Omit<TallyKey, "span">, isNeighbour: (span: Span) => boolean): SpanTally | undefined {
    const isWanted = (tally: SpanTally): boolean =>
      tally.session === session &&
      !tally.isAudit &&
      tally.positions.start === positions.start &&
      tally.positions.end === positions.end &&
      isNeighbour(tally.span);
    return [...this.#tallies.values()].find(isWanted);
  }
}

const nameOf = ({ session, span, positions }: TallyKey): string =>
  `${session} ${span.start}-${span.end} ${positions.start}-${positions.end}`;
