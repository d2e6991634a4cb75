// The gate of the widget's Agree button: the button works only after it has been in plain sight for a moment, so that
// the embedding page can't slide it under a click that was meant for something else.
import type { ReactiveController, ReactiveControllerHost } from "lit";

/** Milliseconds in plain sight before a click counts. */
const SEEN_MS = 500;
/** The visible share that counts as plain sight: rounding at fractional zoom keeps it just under 1. */
const SEEN_RATIO = 0.97;

export class WidgetGate implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #find: () => Element | null;
  #observer: IntersectionObserver | undefined;
  #watched: Element | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armed = false;

  /** `find` returns the element to guard, or null while it is not on the card. */
  constructor(host: ReactiveControllerHost, find: () => Element | null) {
    this.#host = host;
    this.#find = find;
    host.addController(this);
  }

  get armed(): boolean {
    return this.#armed;
  }

  /** Whether this click is a person's, on a button that they have seen. */
  accepts(event: Event): boolean {
    return event.isTrusted && this.#armed;
  }

  hostConnected(): void {
    this.#observer = new IntersectionObserver((entries) => this.#seen((entries.at(-1)?.intersectionRatio ?? 0) >= SEEN_RATIO), {
      threshold: [0, 0.5, SEEN_RATIO, 1],
    });
  }

  hostUpdated(): void {
    const found = this.#find() ?? undefined;
    if (found === this.#watched) return;
    if (this.#watched !== undefined) this.#observer?.unobserve(this.#watched);
    this.#watched = found;
    this.#seen(false);
    if (found !== undefined) this.#observer?.observe(found);
  }

  hostDisconnected(): void {
    this.#observer?.disconnect();
    this.#watched = undefined;
    this.#seen(false);
  }

  #seen(inSight: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (inSight && !this.#armed) this.#timer = setTimeout(() => this.#arm(true), SEEN_MS);
    if (!inSight && this.#armed) this.#arm(false);
  }

  #arm(armed: boolean): void {
    this.#armed = armed;
    this.#host.requestUpdate();
  }
}
