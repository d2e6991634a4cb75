// Events that come beside an answer, handed to whoever reads the answer: between two of its steps.
import type { GenerateEvent } from "./generate-event.ts";

export class EventBuffer {
  #events: GenerateEvent[] = [];
  #arrived = Promise.withResolvers<void>();

  /** A message about waiting replaces one that nobody has read: only the newest is true. */
  push(event: GenerateEvent): void {
    const last = this.#events.at(-1);
    if (event.kind === "waiting" && last?.kind === "waiting") this.#events.pop();
    this.#events.push(event);
    this.#arrived.resolve();
  }

  /** What comes until `work` settles, and what was there before. Never throws: the failure is whoever's who awaits `work`. */
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
