// A typed event emitter: a map of event names (`noun:past`) to payloads, nothing more.

/** Events of `Events` to listen to. `on` returns a function that stops listening. */
export interface Observable<Events> {
  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void;
}

/** The owner's side of an `Observable`. Listeners run synchronously, in the order in which they were added. */
export class Emitter<Events> implements Observable<Events> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>();

  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) (listener as (value: Events[Name]) => void)(payload);
  }
}
