// Sessions whose answers are over, kept for a while: a prompt that begins like one of them is read only from where they
// part.
import type { Clock } from "../../shared/clock.ts";
import type { ModelId } from "../../shared/ids.ts";
import type { WireType } from "../log/wire-form.ts";
import type { RouteSession } from "./route-session.ts";

const DEFAULTS = Object.freeze({
  /** Sessions of one tab at most: each of them holds cache at every peer of its route. */
  sessions: 2,
  /** Milliseconds for which one is kept: a person's next turn, or another try at the same prompt. */
  keptMs: 60_000,
  /** Positions that have to agree at least, so that going on is worth more than a fresh route. */
  minShared: 16,
});

/** How many positions more than an answer needs a session is opened for, so that the next turn fits as well. */
export const HEADROOM_POSITIONS = 256;

export interface ShelvedSession {
  readonly session: RouteSession;
  readonly model: ModelId;
  /** Tokens that every span of the route holds, first to last. */
  readonly tokens: readonly number[];
  readonly maxPositions: number;
  readonly topK: number;
  readonly wire: WireType;
}

/** The session that a new answer needs. */
export interface ShelfRequest {
  readonly model: ModelId;
  readonly prompt: readonly number[];
  readonly maxPositions: number;
  readonly topK: number;
  readonly wire: WireType;
}

/**
 * Keeps only row-invariant sessions: in others, a position's bits would depend on the answer that it was computed for.
 */
export class SessionShelf {
  readonly #clock: Clock;
  #shelved: readonly ShelvedSession[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps an open session that has no step under way. From now on the shelf closes it, unless it is claimed. */
  put(shelved: ShelvedSession): void {
    shelved.session.park();
    this.#shelved = [...this.#shelved, shelved];
    for (const old of this.#shelved.slice(0, -DEFAULTS.sessions)) void this.#close(old);
    void this.#clock.sleep(DEFAULTS.keptMs).then(() => this.#close(shelved));
  }

  /**
   * Returns the session that shares most with the prompt, and how many of its positions to keep. The caller closes it.
   */
  claim(request: ShelfRequest): { readonly session: RouteSession; readonly keep: number } | undefined {
    const { model, prompt, maxPositions, topK, wire } = request;
    let best: { readonly shelved: ShelvedSession; readonly keep: number } | undefined;
    for (const shelved of this.#shelved) {
      const isAlike = shelved.model === model && shelved.topK === topK && shelved.wire === wire;
      if (!isAlike || shelved.maxPositions < maxPositions || !shelved.session.isUsable) continue;
      // The last token of a prompt is always stepped in, because the answer begins with its logits.
      const keep = Math.min(sharedLength(shelved.tokens, prompt), prompt.length - 1);
      if (keep >= DEFAULTS.minShared && keep > (best?.keep ?? 0)) best = { shelved, keep };
    }
    if (!best) return undefined;
    const { shelved, keep } = best;
    this.#shelved = this.#shelved.filter((other) => other !== shelved);
    return { session: shelved.session, keep };
  }

  /** Closes the sessions that are kept. */
  async stop(): Promise<void> {
    await Promise.all(this.#shelved.map((shelved) => this.#close(shelved)));
  }

  async #close(shelved: ShelvedSession): Promise<void> {
    if (!this.#shelved.includes(shelved)) return;
    this.#shelved = this.#shelved.filter((other) => other !== shelved);
    await shelved.session.close();
  }
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return index;
  return length;
}
