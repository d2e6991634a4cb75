// The node's state as one immutable value, told to listeners a few times a second.
import { type NodeState, NO_TASKS_SERVED, NOTHING_SERVED } from "./state.ts";
import { DEFAULTS as WEIGHTS } from "./models/model-bytes.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds until a change is told, by how much a person waits for it: painting takes from the work that it tells of. */
  waitMs: Object.freeze({
    /** What happens in one moment is told at once. */
    frame: 50,
    /** How far something is that was asked for here. */
    counts: 500,
    /** What was done for others, and what it earned. */
    tallies: 1000,
  }),
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
  servedTasks: NO_TASKS_SERVED,
  credit: undefined,
  jobs: [],
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

  /** Changes that only move numbers may wait. */
  update(change: Partial<NodeState>, urgency: keyof typeof DEFAULTS.waitMs = "frame"): void {
    this.#state = Object.freeze({ ...this.#state, ...change });
    const waitMs = DEFAULTS.waitMs[urgency];
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
