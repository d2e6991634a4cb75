// What the relay says of its swarm over plain HTTP: read while this tab has not joined, so that the picture is alive before.
import * as v from "valibot";
import type { RelayOverview, RelayState } from "../node/face.ts";
import { RELAY_API_LIMITS, SwarmOverview } from "../protocol/relay-api.ts";
import { type BackoffRule, backoffMs } from "../shared/backoff.ts";

/** Every 3 s while the relay answers; up to 30 s apart while it does not. */
const POLL_BACKOFF: BackoffRule = { firstMs: 3000, mostMs: 30_000, jitter: 0.5 };
/** A relay that says nothing for this long is told as lost. */
const ANSWER_TIMEOUT_MS = 5000;

/** What is known of the swarm from outside. */
export interface Overview {
  readonly relay: RelayState;
  /** The operator's list, the best first. */
  readonly models: RelayOverview["models"];
  /** Undefined until the relay answered once. */
  readonly peers: RelayOverview["peers"] | undefined;
}

export const UNKNOWN: Overview = {
  relay: { kind: "connecting", name: undefined, retryInMs: undefined },
  models: [],
  peers: undefined,
};

/** Reads the relay's JSON. Throws where it is not an overview. */
export function readOverview(json: unknown): Overview {
  const read = v.parse(SwarmOverview, json);
  return {
    relay: { kind: "connected", name: read.name, retryInMs: undefined },
    models: read.models,
    peers: read.peers.map((peer) => ({ ...peer, isSelf: false, span: peer.span ?? undefined, layerMs: peer.layerMs ?? undefined })),
  };
}

export interface OverviewPollOptions {
  readonly fetch: typeof fetch;
  readonly url: string;
  /** Whether anybody looks: nothing is asked while the tab is hidden. */
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
  #timer: ReturnType<typeof setTimeout> | undefined;
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
    clearTimeout(this.#timer);
  }

  /** Asks at once: the tab became visible, or a person pressed "try now". */
  hurry(): void {
    if (!this.#running || this.#asking) return;
    clearTimeout(this.#timer);
    void this.#ask();
  }

  async #ask(): Promise<void> {
    if (this.#options.isVisible() && !this.#asking) {
      this.#asking = true;
      try {
        const answer = await this.#options.fetch(this.#options.url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), cache: "no-store" });
        const body = answer.ok ? await answer.text() : "";
        if (body === "" || body.length > RELAY_API_LIMITS.overviewLength) throw new Error(`status ${answer.status}`);
        this.#last = readOverview(JSON.parse(body));
        this.#failures = 0;
      } catch {
        // Whatever it was, a person sees one thing: the relay does not answer, and when it is asked again.
        this.#failures += 1;
        this.#last = { ...this.#last, relay: { kind: "lost", name: this.#last.relay.name, retryInMs: this.#pauseMs() } };
      } finally {
        this.#asking = false;
      }
      if (this.#running) this.#options.onChange(this.#last);
    }
    if (!this.#running) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), this.#pauseMs());
  }

  #pauseMs(): number {
    return this.#failures === 0 ? POLL_BACKOFF.firstMs : Math.round(backoffMs(POLL_BACKOFF, this.#failures, this.#options.random()));
  }
}
