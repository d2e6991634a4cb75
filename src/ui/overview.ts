// What the relay says of its swarm over plain HTTP: read while this tab has not joined, so that the picture is alive before.
import * as v from "valibot";
import type { RelayOverview, RelayState } from "../node/face.ts";
import { type BackoffRule, backoffMs } from "../shared/backoff.ts";
import { asModelId, asPeerId } from "../shared/ids.ts";

/** Every 3 s while the relay answers; up to 30 s apart while it does not. */
const POLL_BACKOFF: BackoffRule = { firstMs: 3000, mostMs: 30_000, jitter: 0.5 };
/** A relay that says nothing for this long is told as lost. */
const ANSWER_TIMEOUT_MS = 5000;
/** More peers than that are not drawn anyway. */
const PEERS_MAX = 4096;
const MODELS_MAX = 256;
/** What JSON of `PEERS_MAX` peers can take. */
const ANSWER_MAX_BYTES = 4_000_000;

const natural = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(200));
const Span = v.pipe(
  v.object({ start: natural, end: natural }),
  v.check((span) => span.start < span.end),
);
const Model = v.object({
  id: v.pipe(text, v.transform(asModelId)),
  name: text,
  layerCount: v.pipe(natural, v.minValue(1), v.maxValue(1024)),
  contextLength: natural,
  sizeBytes: natural,
  licence: v.pipe(v.string(), v.maxLength(400)),
  dtype: text,
  chat: v.boolean(),
  layerBytes: natural,
  edgeBytes: natural,
  cacheBytes: natural,
});
const Peer = v.object({
  peer: v.pipe(text, v.transform(asPeerId)),
  model: v.pipe(text, v.transform(asModelId)),
  host: v.picklist(["page", "widget", "volunteer"]),
  backend: v.picklist(["wasm", "webgpu"]),
  span: v.nullish(Span),
  serving: v.boolean(),
  sessions: natural,
  tokensServed: natural,
  layerMs: v.nullish(v.number()),
});
const OverviewSchema = v.object({
  name: text,
  models: v.pipe(v.array(Model), v.maxLength(MODELS_MAX)),
  peers: v.pipe(v.array(Peer), v.maxLength(PEERS_MAX)),
});

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
  const read = v.parse(OverviewSchema, json);
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
        if (body === "" || body.length > ANSWER_MAX_BYTES) throw new Error(`status ${answer.status}`);
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
