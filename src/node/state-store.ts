// The node's state as one immutable value. Listeners get it a few times a second at most.
import { DEFAULT_KEEP_BYTES, type NodeState, NO_TASKS_SERVED, NOTHING_SERVED } from "./state.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds until listeners get a change, by its urgency: painting slows down the work that it shows. */
  waitMs: Object.freeze({
    /** For moments: changes of one frame go together. */
    frame: 50,
    /** For the progress of something that was asked for here. */
    counts: 500,
    /** For work that was done for others, and what it earned. */
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
  keepBytes: DEFAULT_KEEP_BYTES,
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
  /** When listeners get the state next, by `performance.now`; Infinity if nothing has changed. */
  #dueMs = Infinity;

  get state(): NodeState {
    return this.#state;
  }

  subscribe(listener: (state: NodeState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `urgency`: how soon listeners have to know. */
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

  /** Adds a sentence that a person should read. The same sentence is added once. */
  notice(sentence: string): void {
    if (!this.#state.notices.includes(sentence)) this.update({ notices: [...this.#state.notices, sentence] });
  }
}
