// Runs one question at a time: takes the node's events into an AskState and lets itself be stopped.
import type { AskOptions, Node, Prompt } from "../../node/face.ts";
import { abortable, isAbort } from "../../shared/abort.ts";
import { IDLE, advance, begin, failed, stopped, type AskState } from "./ask-state.ts";
import { problemOf } from "../node-controller.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two tellings of tokens: smooth to read, and painting does not hold up the next token. */
  tokensMs: 40,
});

export class AskController {
  readonly #getNode: () => Promise<Node>;
  readonly #listeners = new Set<() => void>();
  #stopper: AbortController | undefined;
  #state = IDLE;

  constructor(getNode: () => Promise<Node>) {
    this.#getNode = getNode;
  }

  get state(): AskState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#stopper?.abort(new DOMException("Stopped by the person who asked", "AbortError"));
  }

  /** Forgets the last answer: the page shows another conversation. */
  clear(): void {
    this.stop();
    this.#stopper = undefined;
    this.#state = IDLE;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Settles when the answer ended, whatever the end was; an answer that still runs is stopped first. */
  async ask(prompt: Prompt, options: Partial<AskOptions>): Promise<void> {
    this.stop();
    const stopper = new AbortController();
    const { signal } = stopper;
    this.#stopper = stopper;
    let due: ReturnType<typeof setTimeout> | undefined;
    const tell = (next: AskState): void => {
      clearTimeout(due);
      due = undefined;
      if (this.#stopper !== stopper) return; // a later question owns the screen
      this.#state = next;
      for (const listener of [...this.#listeners]) listener();
    };
    let state = begin(typeof prompt === "string" ? prompt : (prompt.at(-1)?.content ?? ""));
    tell(state);
    try {
      const node = await abortable(this.#getNode(), signal);
      for await (const event of node.generate(prompt, options, signal)) {
        signal.throwIfAborted();
        state = advance(state, event);
        if (event.kind === "token") due ??= setTimeout(() => tell(state), DEFAULTS.tokensMs);
        else tell(state);
      }
      if (state.status !== "done") tell(stopped(state));
    } catch (error) {
      tell(isAbort(error, signal) ? stopped(state) : failed(state, problemOf(error)));
    }
  }
}
