// Events that happen beside an answer's steps, such as a reroute, until the reader of the answer gets them between two
// steps.
import type { GenerateEvent } from "./generate-event.ts";

export class EventBuffer {
  #events: GenerateEvent[] = [];
  #arrived = Promise.withResolvers<void>();

  /** A `waiting` event replaces one that nobody has read, because only the newest is true. */
  push(event: GenerateEvent): void {
    const last = this.#events.at(-1);
    if (event.kind === "waiting" && last?.kind === "waiting") this.#events.pop();
    this.#events.push(event);
    this.#arrived.resolve();
  }

  /**
   * Yields the events that are there, and those that come until `work` settles. Never throws: the caller awaits `work`
   * itself.
   */
  async *until(work: Promise<unknown>): AsyncGenerator<GenerateEvent, void> {
    let isSettled = false;
    const settled = work.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    for (;;) {
      const events = this.#events;
      this.#events = [];
      yield* events;
      if (this.#events.length > 0) continue;
      if (isSettled) return;
      this.#arrived = Promise.withResolvers();
      await Promise.race([settled, this.#arrived.promise]);
    }
  }
}
