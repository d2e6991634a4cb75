// The open tasks panel: a person chooses a kind, fills in its form, hands the job over, and follows all their jobs.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import * as v from "valibot";
import type { TaskRequest } from "../../node/face.ts";
import type { LocalStore } from "../local-store.ts";
import { type NodeController, problemOf } from "../node-controller.ts";
import { base, buttons, fields, notices } from "../parts/shared-styles.ts";
import { Watch } from "../parts/watch.ts";
import { CHECKING } from "./check-words.ts";
import { choiceStyles } from "./forms/choice-styles.ts";
import type { Handed, KindForm, KindName } from "./forms/form.ts";
import { FORMS } from "./forms/forms.ts";
import type { JobsNode } from "./job-item.ts";
import { isOver } from "./job-words.ts";

/** How many jobs are shown until the person wants to see all. */
const SHOWN_FIRST = 4;
/** Credits: far more than the ledger's allowance. */
const REWARD_MAX = 1_000_000;

const Kind = v.string();

export class JobsPanel extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    notices,
    choiceStyles,
    css`
      .columns {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 28px clamp(20px, 3vw, 40px);
      }
      .new,
      .jobs {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        align-content: start;
        gap: 14px;
      }
      @media (min-width: 940px) {
        .columns {
          grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr);
        }
      }
      h3 {
        margin: 0;
        font: 600 1.125rem/1.3 var(--serif);
      }
      .kinds {
        margin: 0;
        padding: 0;
        border: 0;
        min-width: 0;
      }
      .kinds label {
        position: relative;
        min-height: 44px;
        padding: 6px 16px;
        border-radius: var(--radius-small);
        font-size: 0.9375rem;
        font-weight: 600;
      }
      .kinds label:has(:checked) {
        box-shadow: inset 0 -3px 0 var(--accent);
      }
      .kinds input {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
        margin: 0;
        opacity: 0;
        cursor: pointer;
      }
      .hint {
        flex: 1 1 220px;
      }
      .words {
        display: grid;
        gap: 8px;
        padding-top: 4px;
        max-width: 68ch;
      }
      .settings {
        display: grid;
        gap: 14px;
        padding: 6px 0;
      }
      .settings > div {
        display: grid;
        gap: 4px;
      }
      .settings input[type="number"] {
        max-width: 200px;
      }
      .check {
        display: flex;
        align-items: center;
        gap: 10px;
        min-height: 44px;
      }
      .check input {
        width: 20px;
        height: 20px;
        accent-color: var(--accent);
      }
      .jobs ul {
        display: grid;
        gap: 12px;
      }
    `,
  ];
  static override properties = {
    controller: { attribute: false },
    localStore: { attribute: false },
    form: { state: true },
    busy: { state: true },
    trouble: { state: true },
    all: { state: true },
    node: { state: true },
    reward: { state: true },
    own: { state: true },
  };

  declare controller: NodeController;
  declare localStore: LocalStore;
  declare form: KindForm;
  declare busy: boolean;
  declare trouble: string;
  declare all: boolean;
  declare node: JobsNode | undefined;
  /** Credits, as the person typed them. */
  declare reward: string;
  declare own: boolean;

  constructor() {
    super();
    this.form = FORMS[0] as KindForm; // the list is not empty
    this.busy = false;
    this.trouble = "";
    this.all = false;
    this.reward = "0";
    this.own = true;
    new Watch(this, () => [this.controller]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const kind = this.localStore.read("tasks.kind", Kind, "");
    this.form = FORMS.find((form) => form.kind === kind) ?? this.form;
    // A person who handed over a job on an earlier visit wants to see it again, and the node to go on with it.
    if (this.localStore.read("tasks.asked", v.boolean(), false)) void this.#open();
  }

  async #open(): Promise<void> {
    try {
      this.node = await this.controller.node();
    } catch (error) {
      this.trouble = problemOf(error).message;
    }
  }

  async #ask({ detail }: CustomEvent<Handed<KindName> & { readonly kind: KindName }>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.trouble = "";
    try {
      const node = await this.controller.nodeForPrompt();
      this.node = node;
      this.localStore.write("tasks.asked", true);
      const { kind, label } = detail;
      const data = typeof detail.data === "function" ? await detail.data(node) : detail.data;
      const reward = Math.min(REWARD_MAX, Math.max(0, Number(this.reward) || 0));
      const request = { kind, data, label, own: this.own, ...(reward > 0 ? { reward } : {}) } as TaskRequest; // a form reads its own kind
      await node.distributeTask(request);
      await this.updateComplete;
      this.renderRoot.querySelector("mh-job")?.scrollIntoView({ block: "nearest" }); // on a phone it is far below the form
    } catch (error) {
      this.trouble = problemOf(error).message;
    } finally {
      this.busy = false;
    }
  }

  #choose(form: KindForm): void {
    this.form = form;
    this.trouble = "";
    this.localStore.write("tasks.kind", form.kind);
  }

  protected override render(): TemplateResult {
    return html`<div class="columns">
      <div class="new">
        <h3 id="new">Hand over some work</h3>
        <fieldset class="choices kinds">
          <legend class="unseen">Kind of work</legend>
          ${FORMS.map(
            (form) =>
              html`<label>
                <input
                  type="radio"
                  name="kind"
                  value=${form.kind}
                  data-testid="task-kind-${form.kind}"
                  .checked=${form === this.form}
                  @change=${() => this.#choose(form)}
                />${form.title}
              </label>`,
          )}
        </fieldset>
        <p class="soft">${this.form.about}</p>
        <mh-task-form
          .form=${this.form}
          ?busy=${this.busy}
          .trouble=${this.trouble}
          @task-changed=${() => (this.trouble = "")}
          @task-asked=${(event: CustomEvent) => void this.#ask(event)}
        >
          <p class="hint small soft">The tabs that compute see what you hand over, and your IP address.</p>
        </mh-task-form>
        ${this.#settings()}
        <details>
          <summary>How results are checked</summary>
          <ul class="words small soft">
            ${CHECKING.map((sentence) => html`<li>${sentence}</li>`)}
          </ul>
        </details>
      </div>
      ${this.#jobs()}
    </div>`;
  }

  #settings(): TemplateResult {
    return html`<details>
      <summary data-testid="task-settings">Credit, and who computes</summary>
      <div class="settings">
        <div>
          <label for="reward">Credits to set aside, for all parts together</label>
          <input
            id="reward"
            type="number"
            inputmode="decimal"
            min="0"
            max=${REWARD_MAX}
            step="any"
            data-testid="task-reward"
            aria-describedby="reward-hint"
            .value=${this.reward}
            @change=${(event: Event) => (this.reward = (event.target as HTMLInputElement).value)}
          />
          <p class="small soft" id="reward-hint">
            Work is paid by the price list, as far as your account goes. Credits that you set aside pay for this job alone; what is left of
            them comes back.
          </p>
        </div>
        <label class="check">
          <input
            type="checkbox"
            data-testid="task-own"
            .checked=${this.own}
            @change=${(event: Event) => (this.own = (event.target as HTMLInputElement).checked)}
          />
          This tab computes too
        </label>
      </div>
    </details>`;
  }

  #jobs(): TemplateResult {
    const { jobs } = this.controller.view;
    const shown = this.all ? jobs : jobs.slice(0, SHOWN_FIRST);
    const open = jobs.filter((job) => !isOver(job)).length;
    return html`<section class="jobs" aria-labelledby="jobs" data-testid="jobs" data-open=${open}>
      <h3 id="jobs">What you handed over</h3>
      ${
        jobs.length === 0
          ? html`<p class="soft" data-testid="jobs-empty">
              Nothing yet. A job stays listed here with its result, and goes on after a reload, until you forget it.
            </p>`
          : html`<ul>
              ${repeat(
                shown,
                ({ id }) => id,
                (job) => html`<li><mh-job .job=${job} .node=${this.node}></mh-job></li>`,
              )}
            </ul>`
      }
      ${
        shown.length < jobs.length
          ? html`<button type="button" class="button slim" @click=${() => (this.all = true)}>Show all ${jobs.length}</button>`
          : nothing
      }
    </section>`;
  }
}
