// The widget's card: it says what lending means, lends only after a click, stops at once, and remembers a no.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import * as v from "valibot";
import type { Capability } from "../../node/face.ts";
import { formatLayers, plural, spanKey } from "../parts/format.ts";
import { mark } from "../parts/icons.ts";
import { layerStrip, stripStyles } from "../swarm/layer-strip.ts";
import { fetchSentence } from "../lend/lend-consent.ts";
import { heldSpan, lendSentence } from "../lend/lend-words.ts";
import type { LocalStore } from "../local-store.ts";
import type { NodeController } from "../node-controller.ts";
import { progressBar, progressStyles } from "../parts/progress-bar.ts";
import { base, buttons } from "../parts/shared-styles.ts";
import { Watch } from "../parts/watch.ts";
import { WidgetGate } from "./widget-gate.ts";

type Step = "asking" | "declined" | "agreed";

export class WidgetCard extends LitElement {
  static override styles = [
    base,
    buttons,
    stripStyles,
    progressStyles,
    css`
      :host {
        color: var(--ink);
        font: 15px/1.5 var(--sans);
      }
      .card {
        display: grid;
        gap: 12px;
        padding: 18px;
        border: 1px solid var(--edge);
        border-radius: 16px;
        background: var(--card);
      }
      .card.serving {
        border-color: var(--lamp-edge);
      }
      .head {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 12px;
        align-items: center;
      }
      h2 {
        font: 600 1.125rem/1.25 var(--serif);
        text-wrap: balance;
      }
      .state {
        font-weight: 600;
        line-height: 1.4;
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
      }
      .row .slim {
        min-height: 40px;
      }
      .line {
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 4px 2px;
        color: var(--soft);
      }
      .line .plain {
        min-height: 28px;
      }
      .line svg {
        flex: none;
      }
      :host([compact]) .card {
        gap: 8px;
        padding: 12px 14px;
      }
      :host([compact]) .head svg {
        width: 26px;
        height: 26px;
      }
      :host([compact]) h2 {
        font-size: 1rem;
      }
    `,
  ];
  static override properties = {
    controller: { attribute: false },
    localStore: { attribute: false },
    missing: { attribute: false },
    compact: { type: Boolean, reflect: true },
    saidNo: { attribute: false },
    step: { state: true },
    thanked: { state: true },
  };

  declare controller: NodeController;
  declare localStore: LocalStore;
  /** What this browser lacks; some of it may keep the browser from lending. */
  declare missing: Capability["missing"];
  declare compact: boolean;
  /** Whether the embedding page remembers a no. */
  declare saidNo: boolean;
  declare step: Step;
  /** Whether the person lent and stopped on this visit. */
  declare thanked: boolean;
  readonly #gate: WidgetGate;

  constructor() {
    super();
    this.missing = [];
    this.compact = false;
    this.saidNo = false;
    this.step = "asking";
    this.thanked = false;
    new Watch(this, () => [this.controller]);
    this.#gate = new WidgetGate(this, () => this.renderRoot.querySelector("[data-testid=widget-agree]"));
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.saidNo || this.localStore.read("declined", v.boolean(), false)) this.step = "declined";
  }

  #agree(event: Event): void {
    if (!this.#gate.accepts(event)) return;
    this.step = "agreed";
    void this.controller.agree();
  }

  #decline(): void {
    this.localStore.write("declined", true);
    this.#notifyPage(true);
    this.step = "declined";
    void this.controller.release();
  }

  #reconsider(): void {
    this.localStore.remove("declined");
    this.#notifyPage(false);
    this.thanked = false;
    this.step = "asking";
  }

  #notifyPage(declined: boolean): void {
    this.dispatchEvent(new CustomEvent<boolean>("declined-changed", { detail: declined }));
  }

  #stop(): void {
    this.step = "asking";
    this.thanked = true;
    void this.controller.release();
  }

  protected override render(): TemplateResult {
    const lacking = this.missing.find((item) => item.blocks !== "nothing");
    if (lacking !== undefined) return this.#line("unable", html`This browser can't lend: ${lacking.name} is missing.`);
    switch (this.step) {
      case "declined":
        return this.#line(
          "declined",
          html`Not lending.
            <button type="button" class="plain" data-testid="widget-reconsider" @click=${this.#reconsider}>Reconsider</button>`,
        );
      case "asking":
        return this.#asking();
      case "agreed":
        return this.#working();
    }
  }

  #line(state: string, words: TemplateResult): TemplateResult {
    return html`<p class="line small" data-testid="widget-state" data-state=${state}>${mark(20)}<span>${words}</span></p>`;
  }

  #asking(): TemplateResult {
    return html`<section class="card" aria-labelledby="title" data-testid="widget-state" data-state="off">
      <div class="head">
        ${mark(34)}
        <h2 id="title">${this.thanked ? "Stopped. Thank you." : "Lend this tab to a language model?"}</h2>
      </div>
      ${
        this.compact
          ? html`<p class="small soft">
              Computes for others while this page is open. Fetches ${fetchSentence(undefined)}. Others see your IP address and may guess at
              texts.
            </p>`
          : html`<p class="small soft">
              While this page is open, your browser would hold a few layers of the model and compute them for people who ask it. It fetches
              ${fetchSentence(undefined)}. Other tabs see your IP address. Nothing starts before you agree, and Stop stops it at once.
            </p>`
      }
      <div class="row">
        <button type="button" class="button main slim" data-testid="widget-agree" ?disabled=${!this.#gate.armed} @click=${this.#agree}>
          Agree and lend
        </button>
        <button type="button" class="button slim" data-testid="widget-decline" @click=${this.#decline}>No, thanks</button>
      </div>
    </section>`;
  }

  #working(): TemplateResult {
    const { lend, served, model, relay } = this.controller.view;
    const span = heldSpan(lend);
    const failed = lend.kind === "failed";
    return html`<section class="card ${lend.kind}" aria-label="Manyhands">
      <div class="head">
        ${mark(34)}
        <div>
          <p
            class="state"
            role=${failed ? "alert" : "status"}
            data-testid="widget-state"
            data-state=${lend.kind}
            data-span=${span === undefined ? nothing : spanKey(span)}
          >
            ${lendSentence(lend)}
          </p>
          ${failed ? nothing : html`<p class="small soft figure"><span data-testid="widget-tokens">${plural(served.tokens, "token")}</span> served to people who asked</p>`}
        </div>
      </div>
      ${model === undefined || this.compact ? nothing : layerStrip(model.layerCount, span, lend.kind === "serving")}
      ${lend.kind === "loading" ? progressBar(lend.progress, `Fetching ${formatLayers(lend.span)}`) : nothing}
      ${relay.kind === "lost" ? this.#away(relay.retryInMs ?? 0) : nothing}
      <div class="row">
        ${failed ? html`<button type="button" class="button main slim" data-testid="widget-again" @click=${() => void this.controller.lend(true)}>Try again</button>` : nothing}
        <button type="button" class="button slim" data-testid="widget-stop" @click=${this.#stop}>Stop</button>
      </div>
    </section>`;
  }

  #away(retryInMs: number): TemplateResult {
    return html`<p class="small soft" role="status" data-testid="widget-relay">
      The relay does not answer. It is asked again within ${plural(Math.ceil(retryInMs / 1000), "second")}; open links stay up.
    </p>`;
  }
}
