// Asks the node one question at a time: turns its events into an AskState for the page, and can be stopped.
import type { AskOptions, Node, Prompt } from "../../node/face.ts";
import { abortable, isAbort } from "../../shared/abort.ts";
import { IDLE, advance, begin, failed, stopped, type AskState } from "./ask-state.ts";
import { problemOf } from "../node-controller.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two notifications of tokens: smooth to read, and painting does not hold up the next token. */
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

  /** Stops the answer and forgets it, because the page shows another conversation. */
  clear(): void {
    this.stop();
    this.#stopper = undefined;
    this.#state = IDLE;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Stops an answer that still runs, then asks. Resolves once the new answer has ended in any way; never rejects. */
  async ask(prompt: Prompt, options: Partial<AskOptions>): Promise<void> {
    this.stop();
    const stopper = new AbortController();
    const { signal } = stopper;
    this.#stopper = stopper;
    let due: ReturnType<typeof setTimeout> | undefined;
    const publish = (next: AskState): void => {
      clearTimeout(due);
      due = undefined;
      if (this.#stopper !== stopper) return; // a later question owns the screen
      this.#state = next;
      for (const listener of [...this.#listeners]) listener();
    };
    let state = begin(typeof prompt === "string" ? prompt : (prompt.at(-1)?.content ?? ""));
    publish(state);
    try {
      const node = await abortable(this.#getNode(), signal);
      for await (const event of node.generate(prompt, options, signal)) {
        signal.throwIfAborted();
        state = advance(state, event);
        if (event.kind === "token") due ??= setTimeout(() => publish(state), DEFAULTS.tokensMs);
        else publish(state);
      }
      if (state.status !== "done") publish(stopped(state));
    } catch (error) {
      publish(isAbort(error, signal) ? stopped(state) : failed(state, problemOf(error)));
    }
  }
}
