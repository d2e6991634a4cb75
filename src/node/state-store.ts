// The node's state as one immutable value, told to listeners a few times a second.
import type { NodeState } from "./handle.ts";
import { DEFAULTS as WEIGHTS } from "./model-bytes.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two tellings: quick enough for a person, and painting does not hold up the hidden states that pass through. */
  frameMs: 100,
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
  served: { tokens: 0, sessions: 0, refusedFrames: 0 },
  notices: [],
});

export class StateStore {
  #state: NodeState = INITIAL;
  readonly #listeners = new Set<(state: NodeState) => void>();
  #scheduled = false;

  get state(): NodeState {
    return this.#state;
  }

  subscribe(listener: (state: NodeState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  update(change: Partial<NodeState>): void {
    this.#state = Object.freeze({ ...this.#state, ...change });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      for (const listener of [...this.#listeners]) listener(this.#state);
    }, DEFAULTS.frameMs);
  }

  /** Adds a sentence that a person should know, once. */
  notice(sentence: string): void {
    if (!this.#state.notices.includes(sentence)) this.update({ notices: [...this.#state.notices, sentence] });
  }
}
