// Asking: the prompt or the conversation, its settings, and below them the answer and the route that gives it.
import { LitElement, html, nothing, type TemplateResult } from "lit";
import type { AskOptions, ModelOffer } from "../../node/face.ts";
import { askFormStyles } from "./ask-form-styles.ts";
import { askPanelStyles } from "./ask-panel-styles.ts";
import { isRunning } from "./ask-state.ts";
import type { Asker } from "./asker.ts";
import { SIGNS } from "../parts/icons.ts";
import type { LocalStore } from "../local-store.ts";
import type { NodeController } from "../node-controller.ts";
import { PRESETS, Settings, generateOptions } from "./sampling-settings.ts";
import { base, buttons, fields, notices, panel } from "../parts/shared-styles.ts";
import type { Talks } from "./talks.ts";
import { Watch } from "../parts/watch.ts";

const EXAMPLES = ["Once upon a time", "A small robot named Pip lived in a lighthouse."] as const;

/** What the panel says to a person who begins a text, and to one who talks. */
const WORDS = {
  story: {
    label: "Prompt",
    placeholder: "The first words of a story",
    empty: "Write the first words of a story, or take one of the examples, and the swarm goes on from there.",
    verb: "Ask",
  },
  talk: { label: "Your message", placeholder: "Ask something", empty: "Write a question first, and the swarm answers it.", verb: "Send" },
} as const;

export class AskPanel extends LitElement {
  static override styles = [base, panel, buttons, fields, notices, askFormStyles, askPanelStyles];
  static override properties = {
    asker: { attribute: false },
    controller: { attribute: false },
    talks: { attribute: false },
    localStore: { attribute: false },
    settings: { state: true },
    wrong: { state: true },
  };

  declare asker: Asker;
  declare controller: NodeController;
  declare talks: Talks;
  declare localStore: LocalStore;
  declare settings: Settings;
  /** What is wrong with the prompt; empty while nothing is. */
  declare wrong: string;
  #onVerb = false;
  /** The model that the panel is laid out for: it stays while somebody writes or reads an answer. */
  #shown: ModelOffer | undefined;

  constructor() {
    super();
    this.wrong = "";
    new Watch(this, () => [this.asker, this.controller, this.talks]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.settings = this.localStore.read("settings", Settings, PRESETS.story);
    void this.talks.load();
  }

  get #box(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector("textarea");
  }

  #submit(event?: Event): void {
    event?.preventDefault();
    if (isRunning(this.asker.state)) return; // a slip of the Enter key must not end an answer
    const prompt = this.#box?.value ?? "";
    if (prompt.trim() === "") {
      this.wrong = this.#words.empty;
      this.#box?.focus();
      return;
    }
    this.wrong = "";
    if (!this.#talks) {
      void this.asker.ask(prompt, this.#options);
      return;
    }
    if (this.#box) this.#box.value = "";
    void this.talks.ask(prompt, this.#options);
  }

  get #talks(): boolean {
    return this.#shown?.chat === true;
  }

  get #words(): (typeof WORDS)[keyof typeof WORDS] {
    return this.#talks ? WORDS.talk : WORDS.story;
  }

  get #options(): Partial<AskOptions> {
    return { ...generateOptions(this.settings), model: this.controller.view.askWish };
  }

  #onKey(event: KeyboardEvent): void {
    // Enter that ends an input method's composition belongs to the input method.
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
    if (this.#talks) void this.talks.again(this.#options);
    else void this.asker.ask(this.asker.state.prompt, this.#options);
  }

  /** Ask and Stop take each other's place: whoever pressed one by keyboard stands on the other. */
  protected override willUpdate(): void {
    const { asked, askWish } = this.controller.view;
    const busy = isRunning(this.asker.state) || (this.#box?.value ?? "") !== "";
    if (!busy || asked?.id === askWish || this.#shown === undefined) this.#shown = asked ?? this.#shown;
    this.#onVerb = this.shadowRoot?.activeElement?.classList.contains("verb") === true;
  }

  protected override updated(): void {
    if (this.#onVerb && !this.shadowRoot?.activeElement) this.renderRoot.querySelector<HTMLElement>(".verb")?.focus();
  }

  protected override render(): TemplateResult {
    const ask = this.asker.state;
    const talks = this.#talks;
    return html`<section
      class="panel ${talks ? "talk" : ""}"
      aria-labelledby="title"
      data-testid="ask-panel"
      data-mode=${talks ? "talk" : "story"}
    >
      ${this.#head()}
      ${
        talks
          ? html`<mh-talk-list .talks=${this.talks} @talk-opened=${() => this.#box?.focus()}></mh-talk-list>
              <mh-talk-view .talks=${this.talks} .asker=${this.asker} @ask-again=${this.#askAgain}></mh-talk-view>
              ${this.#form()} ${this.#system()}`
          : this.#form()
      }
      <mh-ask-settings
        .settings=${this.settings}
        ?chat=${talks}
        @settings-changed=${(event: CustomEvent<Settings>) => {
          this.settings = event.detail;
          this.localStore.write("settings", event.detail);
        }}
      ></mh-ask-settings>
      ${talks ? nothing : html`<mh-answer .ask=${ask} @ask-again=${this.#askAgain}></mh-answer>`}
      <mh-route ?hidden=${ask.hops.length === 0 || (talks && !this.talks.isLive)} .hops=${ask.hops} ?running=${isRunning(ask)}></mh-route>
    </section>`;
  }

  #head(): TemplateResult {
    const { models, standings, askWish, asked } = this.controller.view;
    return html`<div class="head">
      <h2 id="title">${this.#talks ? `Talk with ${this.#shown?.name ?? "the model"}` : "Begin a story, and the swarm goes on"}</h2>
      ${
        models.length < 2
          ? nothing
          : html`<mh-model-select
              label="Model"
              auto="Any: now ${asked?.name ?? ""}"
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
        rows=${this.#talks ? 2 : 3}
        autocomplete="off"
        placeholder=${words.placeholder}
        aria-describedby="hint ${this.wrong === "" ? "" : "wrong"}"
        aria-invalid=${this.wrong !== ""}
        @keydown=${this.#onKey}
        @input=${() => (this.wrong = "")}
      ></textarea>
      ${this.wrong === "" ? nothing : html`<p class="wrong" id="wrong" role="alert" data-testid="ask-wrong">${this.wrong}</p>`}
      ${
        this.#talks
          ? nothing
          : html`<div class="chips" role="group" aria-label="Examples">
              ${EXAMPLES.map((text) => html`<button type="button" class="chip" data-testid="ask-example" @click=${() => this.#useExample(text)}>${text}</button>`)}
            </div>`
      }
      <div class="row">
        ${
          isRunning(this.asker.state)
            ? html`<button type="button" class="button verb" data-testid="ask-stop" @click=${() => this.asker.stop()}>
                ${SIGNS.stop}<span>Stop</span>
              </button>`
            : html`<button type="submit" class="button main verb" data-testid="ask-submit"><span>${words.verb}</span>${SIGNS.ask}</button>`
        }
        <p class="hint small soft" id="hint">
          <span class="keys"><kbd>Enter</kbd> asks, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a line. </span>The tabs that answer see your IP
          address and can guess at your text. Where nobody lends, this tab loads a small model and answers itself.
        </p>
      </div>
    </form>`;
  }

  #system(): TemplateResult {
    return html`<details>
      <summary data-testid="talk-system-open">System prompt: ${this.talks.system.trim() === "" ? "none" : "yours"}</summary>
      <label class="unseen" for="system">System prompt</label>
      <textarea
        id="system"
        name="system"
        data-testid="talk-system"
        rows="2"
        placeholder="How the model should answer: briefly, in French, as a pirate"
        .value=${this.talks.system}
        @change=${(event: Event) => this.talks.setSystem((event.target as HTMLTextAreaElement).value)}
      ></textarea>
      <p class="small soft">Goes before this conversation, and before new ones.</p>
    </details>`;
  }
}
