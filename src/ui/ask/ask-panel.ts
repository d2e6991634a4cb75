// The panel for asking: the prompt or the conversation, its settings, and below them the answer and its route.
import { LitElement, html, nothing, type TemplateResult } from "lit";
import type { AskOptions, ModelOffer } from "../../node/face.ts";
import { formStyles } from "../parts/form-styles.ts";
import { askPanelStyles } from "./ask-panel-styles.ts";
import { isRunning } from "./ask-state.ts";
import type { AskController } from "./ask-controller.ts";
import { SIGNS } from "../parts/icons.ts";
import type { LocalStore } from "../local-store.ts";
import type { NodeController } from "../node-controller.ts";
import { PRESETS, Settings, generateOptions } from "./sampling-settings.ts";
import { base, buttons, fields, notices, panel } from "../parts/shared-styles.ts";
import type { Conversations } from "./conversations.ts";
import { Watch } from "../parts/watch.ts";

const EXAMPLES = ["Once upon a time", "A small robot named Pip lived in a lighthouse."] as const;

/** The words of the panel for a person who begins a text, and for one in a conversation. */
const WORDS = {
  story: {
    label: "Prompt",
    placeholder: "The first words of a story",
    empty: "Write the first words of a story, or take one of the examples, and the swarm goes on from there.",
    verb: "Ask",
  },
  conversation: {
    label: "Your message",
    placeholder: "Ask something",
    empty: "Write a question first, and the swarm answers it.",
    verb: "Send",
  },
} as const;

export class AskPanel extends LitElement {
  static override styles = [base, panel, buttons, fields, notices, formStyles, askPanelStyles];
  static override properties = {
    askController: { attribute: false },
    controller: { attribute: false },
    conversations: { attribute: false },
    localStore: { attribute: false },
    settings: { state: true },
    wrong: { state: true },
  };

  declare askController: AskController;
  declare controller: NodeController;
  declare conversations: Conversations;
  declare localStore: LocalStore;
  declare settings: Settings;
  /** The fault of the prompt in words; empty if it has none. */
  declare wrong: string;
  #onVerb = false;
  /** The model that the panel is laid out for. It stays the same while the person writes, or while an answer runs. */
  #shown: ModelOffer | undefined;

  constructor() {
    super();
    this.wrong = "";
    new Watch(this, () => [this.askController, this.controller, this.conversations]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.settings = this.localStore.read("settings", Settings, PRESETS.story);
    void this.conversations.load();
  }

  get #box(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector("textarea");
  }

  #submit(event?: Event): void {
    event?.preventDefault();
    if (isRunning(this.askController.state)) return; // a slip of the Enter key must not end an answer
    const prompt = this.#box?.value ?? "";
    if (prompt.trim() === "") {
      this.wrong = this.#words.empty;
      this.#box?.focus();
      return;
    }
    this.wrong = "";
    if (!this.#inConversation) {
      void this.askController.ask(prompt, this.#options);
      return;
    }
    if (this.#box) this.#box.value = "";
    void this.conversations.ask(prompt, this.#options);
  }

  get #inConversation(): boolean {
    return this.#shown?.chat === true;
  }

  get #words(): (typeof WORDS)[keyof typeof WORDS] {
    return this.#inConversation ? WORDS.conversation : WORDS.story;
  }

  get #options(): Partial<AskOptions> {
    return { ...generateOptions(this.settings), model: this.controller.view.askWish };
  }

  #onKey(event: KeyboardEvent): void {
    // An Enter that ends an input method's composition belongs to the input method.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #useExample(text: string): void {
    const box = this.#box;
    if (box === null) return;
    box.value = text;
    this.wrong = "";
    box.focus();
  }

  #askAgain(): void {
    if (this.#inConversation) void this.conversations.again(this.#options);
    else void this.askController.ask(this.askController.state.prompt, this.#options);
  }

  /** Ask and Stop take each other's place: if one was pressed by keyboard, the focus moves to the other. */
  protected override willUpdate(): void {
    const { asked, askWish } = this.controller.view;
    const busy = isRunning(this.askController.state) || (this.#box?.value ?? "") !== "";
    if (!busy || asked?.id === askWish || this.#shown === undefined) this.#shown = asked ?? this.#shown;
    this.#onVerb = this.shadowRoot?.activeElement?.classList.contains("verb") === true;
  }

  protected override updated(): void {
    if (this.#onVerb && !this.shadowRoot?.activeElement) this.renderRoot.querySelector<HTMLElement>(".verb")?.focus();
  }

  protected override render(): TemplateResult {
    const ask = this.askController.state;
    const inConversation = this.#inConversation;
    return html`<section
      class="panel ${inConversation ? "conversation" : ""}"
      aria-labelledby="title"
      data-testid="ask-panel"
      data-mode=${inConversation ? "conversation" : "story"}
    >
      ${this.#head()}
      ${
        inConversation
          ? html`<mh-conversation-list
                .conversations=${this.conversations}
                @conversation-opened=${() => this.#box?.focus()}
              ></mh-conversation-list>
              <mh-conversation-view
                .conversations=${this.conversations}
                .askController=${this.askController}
                @ask-again=${this.#askAgain}
              ></mh-conversation-view>
              ${this.#form()} ${this.#system()}`
          : this.#form()
      }
      <mh-ask-settings
        .settings=${this.settings}
        ?in-conversation=${inConversation}
        @settings-changed=${(event: CustomEvent<Settings>) => {
          this.settings = event.detail;
          this.localStore.write("settings", event.detail);
        }}
      ></mh-ask-settings>
      ${inConversation ? nothing : html`<mh-answer .ask=${ask} @ask-again=${this.#askAgain}></mh-answer>`}
      <mh-route
        ?hidden=${ask.hops.length === 0 || (inConversation && !this.conversations.isLive)}
        .hops=${ask.hops}
        ?running=${isRunning(ask)}
      ></mh-route>
    </section>`;
  }

  #head(): TemplateResult {
    const { models, standings, askWish, asked } = this.controller.view;
    return html`<div class="head">
      <h2 id="title">
        ${this.#inConversation ? `Talk with ${this.#shown?.name ?? "the model"}` : "Begin a story, and the swarm continues it"}
      </h2>
      ${
        models.length < 2
          ? nothing
          : html`<mh-model-select
              label="Model"
              auto="Any (now ${asked?.name ?? ""})"
              test="ask-model"
              .models=${models}
              .standings=${standings}
              .wish=${askWish}
              @model-chosen=${(event: CustomEvent<ModelOffer["id"] | undefined>) => this.controller.setAskModel(event.detail)}
            ></mh-model-select>`
      }
    </div>`;
  }

  #form(): TemplateResult {
    const words = this.#words;
    return html`<form @submit=${this.#submit}>
      <label class="unseen" for="prompt">${words.label}</label>
      <textarea
        id="prompt"
        name="prompt"
        data-testid="ask-prompt"
        rows=${this.#inConversation ? 2 : 3}
        autocomplete="off"
        placeholder=${words.placeholder}
        aria-describedby="hint ${this.wrong === "" ? "" : "wrong"}"
        aria-invalid=${this.wrong !== ""}
        @keydown=${this.#onKey}
        @input=${() => (this.wrong = "")}
      ></textarea>
      ${this.wrong === "" ? nothing : html`<p class="wrong" id="wrong" role="alert" data-testid="ask-wrong">${this.wrong}</p>`}
      ${
        this.#inConversation
          ? nothing
          : html`<div class="chips" role="group" aria-label="Examples">
              ${EXAMPLES.map((text) => html`<button type="button" class="chip" data-testid="ask-example" @click=${() => this.#useExample(text)}>${text}</button>`)}
            </div>`
      }
      <div class="row">
        ${
          isRunning(this.askController.state)
            ? html`<button type="button" class="button verb" data-testid="ask-stop" @click=${() => this.askController.stop()}>
                ${SIGNS.stop}<span>Stop</span>
              </button>`
            : html`<button type="submit" class="button main verb" data-testid="ask-submit"><span>${words.verb}</span>${SIGNS.ask}</button>`
        }
        <p class="hint small soft" id="hint">
          <span class="keys"><kbd>Enter</kbd> asks, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a new line. </span>The tabs that answer see
          your IP address and can guess at your text. If nobody lends, this tab loads a small model and answers by itself.
        </p>
      </div>
    </form>`;
  }

  #system(): TemplateResult {
    return html`<details>
      <summary data-testid="conversation-system-open">System prompt: ${this.conversations.system.trim() === "" ? "none" : "yours"}</summary>
      <label class="unseen" for="system">System prompt</label>
      <textarea
        id="system"
        name="system"
        data-testid="conversation-system"
        rows="2"
        placeholder="How the model should answer: briefly, in French, as a pirate"
        .value=${this.conversations.system}
        @change=${(event: Event) => this.conversations.setSystem((event.target as HTMLTextAreaElement).value)}
      ></textarea>
      <p class="small soft">It goes before this conversation and before each new one.</p>
    </details>`;
  }
}
