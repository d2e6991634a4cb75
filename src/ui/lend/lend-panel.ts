// The panel for lending: consent first, then the switch, what this tab holds and does, and its settings.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { BackendChoice, ModelOffer } from "../../node/face.ts";
import { formatCount, formatLayers, plural, spanKey } from "../parts/format.ts";
import { SIGNS } from "../parts/icons.ts";
import { layerStrip, stripStyles } from "../swarm/layer-strip.ts";
import { heldSpan, isOn, lendSentence } from "./lend-words.ts";
import { servedTasksSentence, TRUST_WORDS } from "./served-task-words.ts";
import type { NodeController } from "../node-controller.ts";
import { progressBar, progressStyles } from "../parts/progress-bar.ts";
import { base, buttons, fields, notices, panel } from "../parts/shared-styles.ts";
import type { View } from "../view.ts";
import { Watch } from "../parts/watch.ts";

export class LendPanel extends LitElement {
  static override styles = [
    base,
    panel,
    buttons,
    fields,
    notices,
    stripStyles,
    progressStyles,
    css`
      .panel {
        display: grid;
        gap: 18px;
      }
      .top {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 16px;
      }
      .switch {
        display: inline-flex;
        align-items: center;
        gap: 10px;
        min-height: 44px;
        margin-block: -8px;
        padding: 0;
        border: 0;
        background: none;
        font-weight: 600;
        cursor: pointer;
      }
      .track {
        position: relative;
        width: 52px;
        height: 30px;
        border-radius: 99px;
        border: 1.5px solid var(--field-edge);
        background: var(--sunk);
        transition: background 0.2s;
      }
      .track::after {
        content: "";
        position: absolute;
        top: 3px;
        left: 3px;
        width: 21px;
        height: 21px;
        border-radius: 50%;
        background: var(--field-edge);
        transition:
          transform 0.2s,
          background 0.2s;
      }
      [aria-checked="true"] .track {
        background: var(--lamp);
        border-color: var(--lamp-edge);
      }
      [aria-checked="true"] .track::after {
        transform: translateX(22px);
        background: var(--peer-ink);
      }
      .now {
        display: grid;
        gap: 12px;
        padding: 16px;
        border-radius: var(--radius-small);
        background: var(--sunk);
      }
      .now.serving {
        background: var(--lamp-soft);
      }
      .state {
        font-weight: 600;
      }
      .counts {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(120px, auto));
        justify-content: start;
        gap: 4px 24px;
      }
      .counts div {
        display: flex;
        flex-direction: column-reverse;
      }
      dt {
        font-size: 0.8125rem;
        color: var(--soft);
      }
      dd {
        font: 600 1.375rem/1.3 var(--serif);
        font-variant-numeric: tabular-nums;
      }
      .foot {
        display: flex;
        justify-content: flex-end;
      }
    `,
  ];
  static override properties = { controller: { attribute: false } };

  declare controller: NodeController;
  #hadFocus = false;

  constructor() {
    super();
    new Watch(this, () => [this.controller]);
  }

  /** If the focused button is gone, the focus moves to the switch, or to the title if there is no switch. */
  protected override willUpdate(): void {
    this.#hadFocus = Boolean(this.shadowRoot?.activeElement);
  }

  protected override updated(): void {
    if (!this.#hadFocus || this.shadowRoot?.activeElement) return;
    this.renderRoot.querySelector<HTMLElement>(this.controller.view.consented ? ".switch" : "h2")?.focus();
  }

  protected override render(): TemplateResult {
    const { view } = this.controller;
    const on = isOn(view.lend);
    return html`<section class="panel" aria-labelledby="title">
      <div class="top">
        <h2 id="title" tabindex="-1">${view.consented ? "Lend this tab" : "Lend this tab for a while"}</h2>
        ${
          view.consented
            ? html`<button
                type="button"
                class="switch"
                role="switch"
                data-testid="lend-switch"
                aria-checked=${on}
                aria-label="Lend this tab"
                @click=${() => void this.controller.lend(!on)}
              >
                <span aria-hidden="true">${on ? "On" : "Off"}</span><span class="track" aria-hidden="true"></span>
              </button>`
            : nothing
        }
      </div>
      ${view.consented ? this.#lending(view) : this.#consent(view)}
      ${view.notices.map((notice) => html`<p class="notice small" role="status" data-testid="notice">${notice}</p>`)}
    </section>`;
  }

  #consent(view: View): TemplateResult {
    return html`<p class="lead">Hold a few layers of the model here, and compute them when somebody asks.</p>
      <p class="unseen" data-testid="lend-state" data-state="off">Not lending</p>
      <mh-consent .model=${view.model} @agreed=${() => void this.controller.agree()}></mh-consent>`;
  }

  #lending(view: View): TemplateResult {
    const { lend, served, servedTasks } = view;
    const span = heldSpan(lend);
    const failed = lend.kind === "failed";
    return html`<div class=${failed ? "notice alert" : `now ${lend.kind}`}>
        <p
          class="state"
          role=${failed ? "alert" : "status"}
          data-testid="lend-state"
          data-state=${lend.kind}
          data-span=${span === undefined ? nothing : spanKey(span)}
          ?data-moving=${lend.kind === "serving" && lend.moving !== undefined}
        >
          ${lendSentence(lend)}
        </p>
        ${failed || view.model === undefined ? nothing : layerStrip(view.model.layerCount, span, lend.kind === "serving")}
        ${lend.kind === "loading" ? progressBar(lend.progress, `Fetching ${formatLayers(lend.span)}`) : nothing}
        ${lend.kind === "serving" && lend.moving !== undefined ? progressBar(lend.moving, "Fetching the layers to move to") : nothing}
        ${
          failed || lend.kind === "off"
            ? html`<button
                type="button"
                class="button ${failed ? "" : "main"} slim"
                data-testid="lend-start"
                @click=${() => void this.controller.lend(true)}
              >
                ${failed ? html`${SIGNS.again}<span>Try again</span>` : "Lend again"}
              </button>`
            : nothing
        }
      </div>
      <dl class="counts">
        <div>
          <dt>tokens served</dt>
          <dd data-testid="served-tokens">${formatCount(served.tokens)}</dd>
        </div>
        <div>
          <dt>${served.sessions === 1 ? "session" : "sessions"} now</dt>
          <dd>${formatCount(served.sessions)}</dd>
        </div>
        <div>
          <dt>${servedTasks.done === 1 ? "task" : "tasks"} computed</dt>
          <dd data-testid="served-tasks" data-running=${servedTasks.running} data-refused=${servedTasks.refused}>
            ${formatCount(servedTasks.done)}
          </dd>
        </div>
        <div>
          <dt>frames refused</dt>
          <dd data-testid="refused-frames">${formatCount(served.refusedFrames)}</dd>
        </div>
      </dl>
      <p class="small soft" data-testid="served-tasks-words">${servedTasksSentence(servedTasks)}</p>
      ${
        served.refusedFrames > 0
          ? html`<p class="small soft">
              ${plural(served.refusedFrames, "frame")} made no sense and ${served.refusedFrames === 1 ? "was" : "were"} dropped. This does
              not touch the answers of others.
            </p>`
          : nothing
      }
      ${
        view.models.length < 2
          ? nothing
          : html`<mh-model-select
              label="Model to lend"
              auto="Any: what helps the swarm most"
              test="lend-model"
              .models=${view.models}
              .standings=${view.standings}
              .wish=${view.lendWish}
              @model-chosen=${(event: CustomEvent<ModelOffer["id"] | undefined>) => this.controller.setLendModel(event.detail)}
            ></mh-model-select>`
      }
      <mh-lend-controls
        .share=${view.share}
        .backend=${view.backendChoice}
        .keepBytes=${view.keepBytes}
        @keep-changed=${(event: CustomEvent<number>) => this.controller.setKeepBytes(event.detail)}
        @share-changed=${(event: CustomEvent<number>) => this.controller.setShare(event.detail)}
        @backend-changed=${(event: CustomEvent<BackendChoice>) => this.controller.setBackend(event.detail)}
      ></mh-lend-controls>
      <details>
        <summary>How your work comes to be trusted</summary>
        <p class="small soft">${TRUST_WORDS}</p>
      </details>
      <div class="foot">
        <button type="button" class="plain small" data-testid="lend-withdraw" @click=${() => void this.controller.withdrawConsent()}>
          Stop and withdraw consent
        </button>
      </div>`;
  }
}
