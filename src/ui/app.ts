// The page: the header, the panels and the footer. It has no data of its own; all that it shows comes in as properties.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { Capability } from "../node/face.ts";
import { isRunning } from "./ask/ask-state.ts";
import type { AskController } from "./ask/ask-controller.ts";
import { mark } from "./parts/icons.ts";
import type { LocalStore } from "./local-store.ts";
import type { NodeController } from "./node-controller.ts";
import { base } from "./parts/shared-styles.ts";
import { layoutSwarm } from "./swarm/swarm-layout.ts";
import type { Conversations } from "./ask/conversations.ts";
import { Watch } from "./parts/watch.ts";

export class App extends LitElement {
  static override styles = [
    base,
    css`
      .page {
        display: grid;
        gap: clamp(18px, 2.6vw, 28px);
        max-width: 1200px;
        margin: 0 auto;
        padding: clamp(16px, 3vw, 36px) clamp(14px, 3vw, 36px) 48px;
      }
      .skip {
        position: absolute;
        left: 12px;
        top: -60px;
        padding: 10px 16px;
        border-radius: 10px;
        background: var(--card);
        z-index: 1;
      }
      .skip:focus {
        top: 12px;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 14px 32px;
      }
      .brand {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0 16px;
        align-items: center;
        flex: 1 1 440px;
      }
      .brand svg {
        grid-row: span 2;
      }
      h1 {
        margin: 0;
        font: 600 clamp(1.7rem, 4.4vw, 2.1rem)/1.15 var(--serif);
        letter-spacing: -0.012em;
      }
      .claim {
        color: var(--soft);
        max-width: 60ch;
        text-wrap: balance;
      }
      .side {
        display: flex;
        align-items: flex-start;
        gap: 10px;
      }
      .lights {
        display: flex;
        gap: 2px;
        height: 7px;
        padding: 0 2px;
      }
      .lights i {
        flex: 1;
        border-radius: 0 0 4px 4px;
        background: color-mix(in srgb, var(--field-edge) 26%, transparent);
        transition: background 0.8s;
      }
      .lights .lit {
        background: var(--lamp);
      }
      .lights.running .lit {
        animation: wave 1.6s ease-in-out infinite;
      }
      /* Only opacity changes: the compositor does that, and leaves the main thread to the answer. */
      @keyframes wave {
        30% {
          opacity: 0.45;
        }
        60% {
          opacity: 1;
        }
      }
      main,
      .pair {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: clamp(18px, 2.6vw, 28px);
      }
      @media (min-width: 940px) {
        /* A grid of its own, so that the sticky panel stays beside the one that it belongs to. */
        .pair {
          grid-template-columns: minmax(0, 1.55fr) minmax(0, 1fr);
          align-items: start;
        }
        mh-ask {
          align-self: stretch;
        }
        mh-lend {
          position: sticky;
          top: 20px;
        }
      }
      mh-footer {
        margin-top: 20px;
        padding: 0 clamp(4px, 1.5vw, 30px);
      }
      @media (max-width: 560px) {
        .side {
          width: 100%;
          justify-content: space-between;
        }
        .brand {
          flex-basis: 100%;
        }
      }
    `,
  ];
  static override properties = {
    controller: { attribute: false },
    askController: { attribute: false },
    conversations: { attribute: false },
    localStore: { attribute: false },
    capability: { attribute: false },
    loadTasks: { attribute: false },
    site: {},
  };

  declare controller: NodeController;
  declare askController: AskController;
  declare conversations: Conversations;
  declare localStore: LocalStore;
  /** Undefined until the browser has been looked at. */
  declare capability: Capability | undefined;
  declare loadTasks: () => Promise<void>;
  declare site: string;

  constructor() {
    super();
    new Watch(this, () => [this.controller, this.askController]);
  }

  protected override render(): TemplateResult {
    const { view } = this.controller;
    const missing = this.capability?.missing ?? [];
    const blocked = missing.some((item) => item.blocks === "everything");
    return html`<a class="skip" href="#main" @click=${this.#skip}>Skip to the prompt</a>
      ${this.#lights()}
      <div class="page">
        <header>
          <div class="brand">
            ${mark(58)}
            <h1>Manyhands</h1>
            <p class="claim">Many browser tabs hold one language model together: each keeps a few layers, and they answer as one.</p>
          </div>
          <div class="side">
            <mh-relay .relay=${view.relay} .address=${new URL(this.site).host} ?joined=${view.joined}></mh-relay>
            <mh-theme .localStore=${this.localStore}></mh-theme>
          </div>
        </header>
        <main id="main">
          ${missing.length > 0 ? html`<mh-missing .missing=${missing} ?blocked=${blocked}></mh-missing>` : nothing}
          ${
            blocked
              ? nothing
              : html`<div class="pair">
                  <mh-ask
                    .askController=${this.askController}
                    .controller=${this.controller}
                    .conversations=${this.conversations}
                    .localStore=${this.localStore}
                  ></mh-ask>
                  <mh-lend .controller=${this.controller}></mh-lend>
                </div>`
          }
          <mh-swarm .controller=${this.controller} .askController=${this.askController}></mh-swarm>
          ${
            blocked
              ? nothing
              : html`<mh-tasks .controller=${this.controller} .localStore=${this.localStore} .load=${this.loadTasks}></mh-tasks>
                  <mh-credit .controller=${this.controller}></mh-credit> <mh-models .controller=${this.controller}></mh-models>`
          }
        </main>
        <mh-footer .site=${this.site}></mh-footer>
      </div>`;
  }

  /** The emblem of the page: a light for each layer, lit while a peer serves it. A wave shows that an answer runs. */
  #lights(): TemplateResult {
    const { swarm, model } = this.controller.view;
    const { coverage } = layoutSwarm(swarm ?? [], model?.layerCount ?? 0);
    return html`<div class="lights ${isRunning(this.askController.state) ? "running" : ""}" aria-hidden="true">
      ${coverage.map((count, layer) => html`<i class=${count > 0 ? "lit" : ""} style="animation-delay: ${((layer / coverage.length) * 1.2).toFixed(2)}s"></i>`)}
    </div>`;
  }

  #skip(event: Event): void {
    event.preventDefault(); // a fragment cannot reach into a shadow root
    this.renderRoot.querySelector<HTMLElement>("mh-ask")?.shadowRoot?.querySelector<HTMLElement>("textarea")?.focus();
  }
}
