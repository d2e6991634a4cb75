// The node's state as one immutable value, told to listeners a few times a second.
import { type NodeState, NOTHING_LENT, NOTHING_SERVED } from "./handle.ts";
import { DEFAULTS as WEIGHTS } from "./model-bytes.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two tellings that only count: painting must not hold up the hidden states that pass through. */
  countsMs: 500,
  /** Milliseconds until a telling of anything else: what happens in one moment is told at once. */
  frameMs: 50,
});

const INITIAL = Object.freeze<NodeState>({
  self: undefined,
  relay: { kind: "connecting", name: undefined, retryInMs: undefined },
  models: [],
  standings: [],
  model: undefined,
  lend: { kind: "off" },
  share: 1,
  backendChoice: "auto",
  keepBytes: WEIGHTS.storeBytes,
  swarm: [],
  gaps: [],
  served: NOTHING_SERVED,
  lentTasks: NOTHING_LENT,
  credit: undefined,
  works: [],
  notices: [],
});

export class StateStore {
  #state: NodeState = INITIAL;
  readonly #listeners = new Set<(state: NodeState) => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the next telling is due; Infinity while none is. */
  #dueMs = Infinity;

  get state(): NodeState {
    return this.#state;
  }

  subscribe(listener: (state: NodeState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `counts` for changes that only move numbers, and so may wait. */
  update(change: Partial<NodeState>, urgency: "frame" | "counts" = "frame"): void {
    this.#state = Object.freeze({ ...this.#state, ...change });
    const waitMs = urgency === "frame" ? DEFAULTS.frameMs : DEFAULTS.countsMs;
    const dueMs = performance.now() + waitMs;
    if (this.#dueMs <= dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#dueMs = Infinity;
      for (const listener of [...this.#listeners]) listener(this.#state);
    }, waitMs);
  }

  /** Adds a sentence that a person should know, once. */
  notice(sentence: string): void {
    if (!this.#state.notices.includes(sentence)) this.update({ notices: [...this.#state.notices, sentence] });
  }
}
