// The list of conversations: a person opens one, begins a new one, renames one, or deletes one after a second question.
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { type Conversation, UNTITLED } from "./conversation.ts";
import { formatCount } from "../parts/format.ts";
import { base, buttons, fields } from "../parts/shared-styles.ts";
import type { Conversations } from "./conversations.ts";
import { Watch } from "../parts/watch.ts";

type Doing = { readonly what: "rename" | "delete"; readonly id: string };

export class ConversationList extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      .top {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 8px 16px;
      }
      ul {
        display: grid;
        gap: 2px;
        max-height: 15em;
        overflow-y: auto;
        margin-top: 8px;
        padding: 4px;
        border-radius: var(--radius-small);
        background: var(--sunk);
      }
      li {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 12px;
        padding: 2px 10px;
        border-radius: 8px;
      }
      li.open {
        background: var(--lamp-soft);
      }
      .title {
        flex: 1 1 12em;
        min-height: 40px;
        border: 0;
        padding: 4px 0;
        background: none;
        text-align: start;
        overflow-wrap: anywhere;
        cursor: pointer;
      }
      .open .title {
        font-weight: 600;
      }
      input {
        flex: 1 1 12em;
      }
      .plain {
        min-height: 32px;
      }
    `,
  ];
  static override properties = { conversations: { attribute: false }, doing: { state: true } };

  declare conversations: Conversations;
  /** The row that is being renamed, or that waits for the answer to "Delete it for good?". */
  declare doing: Doing | undefined;

  constructor() {
    super();
    new Watch(this, () => [this.conversations]);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("doing")) return;
    if (this.doing !== undefined) this.renderRoot.querySelector<HTMLElement>("[data-first]")?.focus();
    else if (changed.get("doing") !== undefined) this.renderRoot.querySelector<HTMLElement>("summary")?.focus();
  }

  protected override render(): TemplateResult {
    const { all, current } = this.conversations;
    return html`<div class="top">
        <p><span class="soft small">Conversation:</span> <b data-testid="conversation-title">${current?.title ?? UNTITLED}</b></p>
        <button
          type="button"
          class="button slim"
          data-testid="conversation-new"
          ?disabled=${!current}
          @click=${() => this.#open(undefined)}
        >
          New conversation
        </button>
      </div>
      ${
        all.length === 0
          ? nothing
          : html`<details>
              <summary data-testid="conversation-list">All conversations (${formatCount(all.length)})</summary>
              <ul>
                ${all.map((conversation) => this.#row(conversation, conversation.id === current?.id))}
              </ul>
            </details>`
      }`;
  }

  #row(conversation: Conversation, isOpen: boolean): TemplateResult {
    const doing = this.doing?.id === conversation.id ? this.doing.what : undefined;
    return html`<li class=${isOpen ? "open" : ""} data-testid="conversation-row">
      ${doing === "rename" ? this.#renaming(conversation) : this.#title(conversation, isOpen)}
      ${doing === "delete" ? this.#deleting(conversation) : nothing}
    </li>`;
  }

  #title(conversation: Conversation, isOpen: boolean): TemplateResult {
    const verb = (what: Doing["what"], word: string): TemplateResult =>
      html`<button
        type="button"
        class="plain small"
        data-testid="conversation-${what}"
        aria-label="${word} “${conversation.title}”"
        @click=${() => (this.doing = { what, id: conversation.id })}
      >
        ${word}
      </button>`;
    return html`<button type="button" class="title" aria-current=${isOpen} @click=${() => this.#open(conversation.id)}>
        ${conversation.title}
      </button>
      ${this.doing?.id === conversation.id ? nothing : html`${verb("rename", "Rename")} ${verb("delete", "Delete")}`}`;
  }

  #renaming(conversation: Conversation): TemplateResult {
    const finish = (event: Event): void => {
      event.preventDefault();
      this.conversations.rename(conversation.id, this.renderRoot.querySelector<HTMLInputElement>("input")?.value ?? "");
      this.doing = undefined;
    };
    return html`<form class="top" style="flex: 1" @submit=${finish}>
      <input
        type="text"
        name="title"
        data-first
        data-testid="conversation-name"
        maxlength="80"
        aria-label="New name"
        .value=${conversation.title}
      />
      <button type="submit" class="button slim">Keep</button>
      <button type="button" class="plain small" @click=${() => (this.doing = undefined)}>Cancel</button>
    </form>`;
  }

  #deleting(conversation: Conversation): TemplateResult {
    const remove = (): void => {
      this.doing = undefined;
      void this.conversations.remove(conversation.id);
    };
    return html`<span class="small">Delete it for good?</span>
      <button type="button" class="plain small" data-testid="conversation-delete-yes" @click=${remove}>Delete</button>
      <button type="button" class="plain small" data-first @click=${() => (this.doing = undefined)}>Keep it</button>`;
  }

  #open(id: string | undefined): void {
    this.conversations.open(id);
    this.dispatchEvent(new CustomEvent("conversation-opened"));
  }
}
