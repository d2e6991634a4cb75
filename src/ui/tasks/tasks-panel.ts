// The panel for tasks: one sentence and a button. The code of the rest is fetched once a person presses the button.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import * as v from "valibot";
import type { LocalStore } from "../local-store.ts";
import type { NodeController } from "../node-controller.ts";
import { base, buttons, notices, panel, stacked } from "../parts/shared-styles.ts";
import { Watch } from "../parts/watch.ts";

export class TasksPanel extends LitElement {
  static override styles = [
    base,
    panel,
    stacked,
    buttons,
    notices,
    css`
      .open {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 12px 24px;
      }
      .lead {
        flex: 1 1 340px;
      }
      .loading {
        min-height: 60vh; /* about as high as the open panel, so that little moves once it is there */
      }
    `,
  ];
  static override properties = {
    controller: { attribute: false },
    localStore: { attribute: false },
    load: { attribute: false },
    state: { state: true },
  };

  declare controller: NodeController;
  declare localStore: LocalStore;
  /** Fetches and defines the elements of the open panel. */
  declare load: () => Promise<void>;
  declare state: "closed" | "loading" | "open" | "failed";
  #hadFocus = false;
  #isPending: boolean | undefined;

  constructor() {
    super();
    this.state = "closed";
    new Watch(this, () => [this.controller]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.localStore.read("tasks.open", v.boolean(), false)) void this.#open();
    // Jobs go on whether the person looks at them or not. If the node cannot be made, the relay's state says why.
    if (this.localStore.read("tasks.pending", v.boolean(), false)) this.controller.node().catch(() => {});
  }

  async #open(): Promise<void> {
    this.state = "loading";
    this.localStore.write("tasks.open", true);
    try {
      await this.load();
      this.state = "open";
    } catch {
      this.state = "failed"; // the relay is away; the button tries again
    }
  }

  /** Remembers for the next visit whether jobs are pending. An empty list says nothing before the node has joined. */
  #notePending(): void {
    const { jobs, joined } = this.controller.view;
    const isPending = jobs.some(({ endedMs }) => endedMs === undefined);
    if (isPending === this.#isPending || (jobs.length === 0 && !joined)) return;
    this.#isPending = isPending;
    this.localStore.write("tasks.pending", isPending);
  }

  #close(): void {
    this.state = "closed";
    this.localStore.write("tasks.open", false);
  }

  /** If the focused button is gone, the focus moves to the title. */
  protected override updated(): void {
    if (this.#hadFocus && !this.shadowRoot?.activeElement) this.renderRoot.querySelector<HTMLElement>("h2")?.focus();
  }

  protected override willUpdate(): void {
    this.#notePending();
    this.#hadFocus = Boolean(this.shadowRoot?.activeElement);
  }

  protected override render(): TemplateResult {
    const isOpen = this.state === "open";
    return html`<section class="panel" aria-labelledby="title" data-testid="tasks" data-state=${this.state}>
      <div class="open">
        <h2 id="title" tabindex="-1">Tasks</h2>
        ${isOpen ? html`<button type="button" class="plain small" data-testid="tasks-close" @click=${this.#close}>Close</button>` : nothing}
      </div>
      ${isOpen ? html`<mh-jobs .controller=${this.controller} .localStore=${this.localStore}></mh-jobs>` : this.#closed()}
    </section>`;
  }

  #closed(): TemplateResult {
    const loading = this.state === "loading";
    return html`<div class="open ${loading ? "loading" : ""}">
        <p class="lead">
          Besides prompts, the tabs here take other work: render a picture, run a program of yours over many inputs, sort, sum, multiply,
          hash. Each job is cut into parts, second tabs check them, and the job goes on when a tab leaves.
        </p>
        <button type="button" class="button main" data-testid="tasks-open" aria-disabled=${loading} @click=${() => void this.#open()}>
          ${loading ? "Opening…" : "Hand over some work"}
        </button>
      </div>
      ${
        this.state === "failed"
          ? html`<p class="notice alert small" role="alert">
              The code for tasks could not be fetched. Nothing is lost: check your connection and try again.
            </p>`
          : nothing
      }`;
  }
}
