// A conversation as a person reads it: its turns, and the answer that is being written at its end.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import { isRunning } from "./ask-state.ts";
import type { AskController } from "./ask-controller.ts";
import type { Conversation } from "./conversation.ts";
import { SIGNS } from "../parts/icons.ts";
import { base, buttons, notices } from "../parts/shared-styles.ts";
import type { Conversations } from "./conversations.ts";
import { Watch } from "../parts/watch.ts";

export class ConversationView extends LitElement {
  static override styles = [
    base,
    buttons,
    notices,
    css`
      :host {
        display: flex;
        flex-direction: column;
        gap: 14px;
      }
      ol {
        display: grid;
        gap: 14px;
      }
      li {
        max-width: 62ch;
        overflow-wrap: anywhere;
      }
      .said {
        white-space: pre-wrap;
        padding: 12px 16px;
        border-radius: 16px;
      }
      .user {
        justify-self: end;
      }
      .user .said {
        border-end-end-radius: 5px;
        background: color-mix(in srgb, var(--accent) 15%, var(--card));
      }
      .assistant .said {
        padding-inline: 18px;
        border-end-start-radius: 5px;
        background: var(--sunk);
        font: 1.09375rem/1.6 var(--serif);
      }
      .empty {
        display: grid;
        min-height: 8em;
        place-content: center;
        padding: 18px;
        border: 1.5px dashed var(--edge);
        border-radius: var(--radius-small);
        color: var(--soft);
        font: italic 1.125rem/1.55 var(--serif);
        text-align: center;
        text-wrap: balance;
      }
    `,
  ];
  static override properties = { conversations: { attribute: false }, askController: { attribute: false } };

  declare conversations: Conversations;
  declare askController: AskController;

  constructor() {
    super();
    new Watch(this, () => [this.conversations, this.askController]);
  }

  protected override render(): TemplateResult {
    const { current, isLive, notice } = this.conversations;
    const ask = this.askController.state;
    // The answer that is being written, or was written just now, has an element of its own, with its figures.
    const live = isLive && ask.status !== "idle";
    const turns = (current?.turns ?? []).filter((turn, index, all) => !(live && index === all.length - 1 && turn.role === "assistant"));
    return html`${turns.length === 0 ? this.#empty() : this.#turns(turns)}
    ${live ? html`<mh-answer in-conversation .ask=${ask} @ask-again=${() => this.dispatchEvent(new CustomEvent("ask-again"))}></mh-answer>` : this.#end(current)}
    ${live ? nothing : html`<span data-testid="ask-answer" data-status="idle" data-tokens="" hidden></span>`}
    ${notice === "" ? nothing : html`<p class="notice small" role="status" data-testid="conversation-notice">${notice}</p>`}`;
  }

  #empty(): TemplateResult {
    return html`<p class="empty">Ask anything. The conversation is kept in this browser and nowhere else.</p>`;
  }

  #turns(turns: Conversation["turns"]): TemplateResult {
    return html`<ol aria-label="Conversation" data-testid="conversation-turns">
      ${turns.map(
        ({ role, content }) =>
          html`<li class=${role}>
            <span class="unseen">${role === "user" ? "You said:" : "The model answered:"}</span>
            <div class="said" data-testid="conversation-${role}">${content.trim()}</div>
          </li>`,
      )}
    </ol>`;
  }

  /** A conversation that was read from the store may end in a question without an answer. */
  #end(conversation: Conversation | undefined): TemplateResult | typeof nothing {
    if (conversation?.turns.at(-1)?.role !== "user" || isRunning(this.askController.state)) return nothing;
    return html`<div class="notice">
      <p>This question has no answer yet.</p>
      <button type="button" class="button slim" data-testid="ask-again" @click=${() => this.dispatchEvent(new CustomEvent("ask-again"))}>
        ${SIGNS.again}<span>Ask it again</span>
      </button>
    </div>`;
  }
}
