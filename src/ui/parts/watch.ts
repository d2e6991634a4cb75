// Ties an element to its sources: it renders again on each change of one, for as long as it is on the page.
import type { ReactiveController, ReactiveControllerHost } from "lit";

export interface Watchable {
  subscribe(listener: () => void): () => void;
}

export class Watch implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #sources: () => readonly Watchable[];
  #stops: readonly (() => void)[] = [];

  /** `sources` is called once the element is connected: its properties are set by then. */
  constructor(host: ReactiveControllerHost, sources: () => readonly Watchable[]) {
    this.#host = host;
    this.#sources = sources;
    host.addController(this);
  }

  hostConnected(): void {
    this.#stops = this.#sources().map((source) => source.subscribe(() => this.#host.requestUpdate()));
  }

  hostDisconnected(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }
}
