// The state of the relay, in the header: a quiet pill while the relay replies, else a sentence with a countdown.
import { LitElement, css, html, type PropertyValues, type TemplateResult } from "lit";
import type { RelayState } from "../../node/face.ts";
import { base } from "./shared-styles.ts";

export class RelayPill extends LitElement {
  static override styles = [
    base,
    css`
      .pill {
        display: flex;
        align-items: center;
        gap: 9px;
        width: fit-content;
        max-width: 44ch;
        min-height: 36px;
        padding: 5px 14px;
        border: 1px solid var(--edge);
        border-radius: 18px;
        background: var(--card);
        font-size: 0.875rem;
        line-height: 1.4;
      }
      .dot {
        flex: none;
        width: 9px;
        height: 9px;
        border-radius: 50%;
        background: var(--good);
        box-shadow: 0 0 0 3px color-mix(in srgb, var(--good) 22%, transparent);
      }
      .connecting .dot {
        background: var(--lamp);
        box-shadow: 0 0 0 3px color-mix(in srgb, var(--lamp) 25%, transparent);
        animation: breathe 1.6s ease-in-out infinite;
      }
      .lost {
        background: var(--alert-soft);
        border-color: color-mix(in srgb, var(--alert) 45%, transparent);
      }
      .lost .dot {
        background: var(--alert);
        box-shadow: 0 0 0 3px color-mix(in srgb, var(--alert) 22%, transparent);
      }
      @keyframes breathe {
        50% {
          opacity: 0.35;
        }
      }
    `,
  ];
  static override properties = { relay: { attribute: false }, address: {}, joined: { type: Boolean }, leftSeconds: { state: true } };

  declare relay: RelayState;
  /** Host and port of the relay. */
  declare address: string;
  /** Whether this tab has joined, so that it may have links to other peers. */
  declare joined: boolean;
  declare leftSeconds: number;
  #deadline = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.relay = { kind: "connecting", name: undefined, retryInMs: undefined };
    this.address = "";
    this.joined = false;
    this.leftSeconds = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopCounting();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("relay");
    if (!changed.has("relay")) return;
    if (this.relay.kind !== "lost" || this.relay.retryInMs === undefined) {
      this.#stopCounting();
      return;
    }
    // The same state may come again during a wait: that must not start the countdown anew.
    const same = before?.kind === "lost" && before.retryInMs === this.relay.retryInMs;
    if (same && this.leftSeconds > 0) return;
    this.#deadline = performance.now() + this.relay.retryInMs;
    this.#count();
    this.#timer ??= setInterval(() => this.#count(), 500);
  }

  #count(): void {
    this.leftSeconds = Math.max(0, Math.ceil((this.#deadline - performance.now()) / 1000));
  }

  #stopCounting(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.leftSeconds = 0;
  }

  protected override render(): TemplateResult {
    const { kind } = this.relay;
    return html`<div class="pill ${kind}" data-testid="relay-status" data-state=${kind}>
      <span class="dot" aria-hidden="true"></span>
      <span
        ><span role="status">${this.#sentence()}</span
        >${kind === "lost" ? html` <span class="figure" aria-hidden="true">${this.#again()}</span>` : ""}</span
      >
    </div>`;
  }

  #sentence(): string {
    switch (this.relay.kind) {
      case "connected":
        return this.relay.name === undefined ? "Relay connected" : `Relay: ${this.relay.name}`;
      case "connecting":
        return "Calling the relay";
      case "lost":
        return `The relay at ${this.address} does not answer.${this.joined ? " Open links stay up." : ""}`;
    }
  }

  #again(): string {
    return this.leftSeconds > 0 ? `Trying again in ${this.leftSeconds} s.` : "Trying again now.";
  }
}
