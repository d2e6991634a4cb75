// What the relay says about its swarm over HTTP, polled until this tab joins: the picture is alive before that.
import { withDeadline } from "../shared/abort.ts";
import { type BackoffRule, backoffMs } from "../shared/backoff.ts";
import type { Clock } from "../shared/clock.ts";
import { type Overview, UNKNOWN } from "./overview.ts";

/** Every 3 s while the relay replies; up to 30 s apart while it does not. */
const POLL_BACKOFF: BackoffRule = { firstMs: 3000, mostMs: 30_000, jitter: 0.5 };
/** Milliseconds without a reply after which the relay is shown as lost. */
const REPLY_TIMEOUT_MS = 5000;

export interface OverviewPollOptions {
  readonly fetch: typeof fetch;
  readonly url: string;
  readonly clock: Pick<Clock, "sleep">;
  /** Whether anybody can see the page: nothing is asked while the tab is hidden. */
  readonly isVisible: () => boolean;
  /** In [0, 1): spreads the tries of pages that lost the same relay. */
  readonly random: () => number;
  readonly onChange: (overview: Overview) => void;
}

/** Asks the relay again and again until stopped. */
export class OverviewPoll {
  readonly #options: OverviewPollOptions;
  #last = UNKNOWN;
  #failures = 0;
  /** Ends the pause before the next try. */
  #pause = new AbortController();
  #running = false;
  #asking = false;

  constructor(options: OverviewPollOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#failures = 0;
    void this.#ask();
  }

  stop(): void {
    this.#running = false;
    this.#pause.abort();
  }

  /** Asks at once: the tab became visible, or the person pressed "try now". */
  hurry(): void {
    if (!this.#running || this.#asking) return;
    this.#pause.abort();
    void this.#ask();
  }

  async #ask(): Promise<void> {
    let pauseMs = this.#pauseMs();
    if (this.#options.isVisible() && !this.#asking) {
      this.#asking = true;
      try {
        this.#last = await this.#fetchOverview();
        this.#failures = 0;
        pauseMs = this.#pauseMs();
      } catch {
        // Whatever the cause, the person reads one thing: the relay does not answer, and when it is asked again.
        this.#failures += 1;
        pauseMs = this.#pauseMs();
        this.#last = { ...this.#last, relay: { kind: "lost", name: this.#last.relay.name, retryInMs: pauseMs } };
      } finally {
        this.#asking = false;
      }
      if (this.#running) this.#options.onChange(this.#last);
    }
    if (!this.#running) return;
    this.#pause.abort();
    this.#pause = new AbortController();
    this.#options.clock.sleep(pauseMs, this.#pause.signal).then(
      () => this.#ask(),
      () => {}, // asked before, or stopped
    );
  }

  /** Throws if the relay does not reply in time, or with something else than an overview. */
  #fetchOverview(): Promise<Overview> {
    const { fetch, url, clock } = this.#options;
    const onTimeout = (): Error => new Error("no reply");
    return withDeadline({ clock, ms: REPLY_TIMEOUT_MS, onTimeout }, new AbortController().signal, async (signal) => {
      const [response, { readOverview }] = await Promise.all([fetch(url, { signal, cache: "no-store" }), import("./read-overview.ts")]);
      return readOverview(response);
    });
  }

  #pauseMs(): number {
    return this.#failures === 0 ? POLL_BACKOFF.firstMs : Math.round(backoffMs(POLL_BACKOFF, this.#failures, this.#options.random()));
  }
}
