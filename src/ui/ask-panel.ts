// Asking: the prompt, its settings, and below them the answer and the route that gives it.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import { isRunning } from "./ask-state.ts";
import type { Asker } from "./asker.ts";
import { SIGNS } from "./icons.ts";
import type { Memory } from "./memory.ts";
import { PRESETS, Settings, generateOptions } from "./settings.ts";
import { base, buttons, notices, panel } from "./shared-styles.ts";
import { Watch } from "./watch.ts";

const EXAMPLES = ["Once upon a time", "A small robot named Pip lived in a lighthouse."] as const;

export class AskPanel extends LitElement {
  static override styles = [
    base,
    panel,
    buttons,
    notices,
    css`
      .panel {
        display: flex;
        flex-direction: column;
        gap: 18px;
        height: 100%;
      }
      mh-answer {
        flex: 1;
      }
      form {
        display: grid;
        gap: 12px;
      }
      textarea {
        display: block;
        width: 100%;
        min-height: 5.2em;
        max-height: 40vh;
        field-sizing: content;
        resize: vertical;
        padding: 14px 16px;
        border: 1.5px solid var(--field-edge);
        border-radius: var(--radius-small);
        background: var(--sunk);
        color: var(--ink);
        font: 1.1875rem/1.5 var(--serif);
      }
      textarea:focus-visible {
        border-radius: var(--radius-small);
        outline-offset: 1px;
      }
      textarea::placeholder {
        color: var(--soft);
        font-style: italic;
        opacity: 1;
      }
      textarea[aria-invalid="true"] {
        border-color: var(--alert);
      }
      .chips {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
      }
      .chip {
        min-height: 36px;
        padding: 5px 14px;
        border: 1px solid var(--edge);
        border-radius: 12px;
        background: none;
        color: var(--ink);
        font: italic 0.9875rem/1.4 var(--serif);
        text-align: start;
        cursor: pointer;
      }
      .chip:hover {
        border-color: var(--lamp-edge);
        background: var(--lamp-soft);
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 10px 16px;
      }
      .row .button {
        min-width: 116px;
      }
      .wrong {
        color: var(--alert);
        font-size: 0.9375rem;
      }
      .hint {
        flex: 1 1 220px;
      }
      kbd {
        font: 0.8125rem var(--mono);
        padding: 1px 6px;
        border: 1px solid var(--edge);
        border-radius: 5px;
      }
      @media (hover: none), (pointer: coarse) {
        .keys {
          display: none;
        }
      }
    `,
  ];
  static override properties = {
    asker: { attribute: false },
    memory: { attribute: false },
    settings: { state: true },
    wrong: { state: true },
  };

  declare asker: Asker;
  declare memory: Memory;
  declare settings: Settings;
  /** What is wrong with the prompt; empty while nothing is. */
  declare wrong: string;
  #onVerb = false;

  constructor() {
    super();
    this.wrong = "";
    new Watch(this, () => [this.asker]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.settings = this.memory.read("settings", Settings, PRESETS.story);
  }

  get #box(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector("textarea");
  }

  #submit(event?: Event): void {
    event?.preventDefault();
    if (isRunning(this.asker.state)) return; // a slip of the Enter key must not end an answer
    const prompt = this.#box?.value ?? "";
    if (prompt.trim() === "") {
      this.wrong = "Write the first words of a story, or take one of the examples, and the swarm goes on from there.";
      this.#box?.focus();
      return;
    }
    this.wrong = "";
    void this.asker.ask(prompt, generateOptions(this.settings));
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
    const { prompt } = this.asker.state;
    void this.asker.ask(prompt, generateOptions(this.settings));
  }

  /** Ask and Stop take each other's place: whoever pressed one by keyboard stands on the other. */
  protected override willUpdate(): void {
    this.#onVerb = this.shadowRoot?.activeElement?.classList.contains("verb") === true;
  }

  protected override updated(): void {
    if (this.#onVerb && !this.shadowRoot?.activeElement) this.renderRoot.querySelector<HTMLElement>(".verb")?.focus();
  }

  protected override render(): TemplateResult {
    const ask = this.asker.state;
    const running = isRunning(ask);
    return html`<section class="panel" aria-labelledby="title">
      <h2 id="title">Begin a story, and the swarm goes on</h2>
      <form @submit=${this.#submit}>
        <label class="unseen" for="prompt">Prompt</label>
        <textarea
          id="prompt"
          name="prompt"
          data-testid="ask-prompt"
          rows="3"
          autocomplete="off"
          placeholder="The first words of a story"
          aria-describedby="hint ${this.wrong === "" ? "" : "wrong"}"
          aria-invalid=${this.wrong !== ""}
          @keydown=${this.#onKey}
          @input=${() => (this.wrong = "")}
        ></textarea>
        ${this.wrong === "" ? nothing : html`<p class="wrong" id="wrong" role="alert" data-testid="ask-wrong">${this.wrong}</p>`}
        <div class="chips" role="group" aria-label="Examples">
          ${EXAMPLES.map((text) => html`<button type="button" class="chip" data-testid="ask-example" @click=${() => this.#useExample(text)}>${text}</button>`)}
        </div>
        <div class="row">
          ${
            running
              ? html`<button type="button" class="button verb" data-testid="ask-stop" @click=${() => this.asker.stop()}>
                  ${SIGNS.stop}<span>Stop</span>
                </button>`
              : html`<button type="submit" class="button main verb" data-testid="ask-submit"><span>Ask</span>${SIGNS.ask}</button>`
          }
          <p class="hint small soft" id="hint">
            <span class="keys"><kbd>Enter</kbd> asks, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a line. </span>The tabs that answer see your
            IP address and can guess at your text. Where nobody lends, this tab loads the model and answers itself.
          </p>
        </div>
      </form>
      <mh-ask-settings
        .settings=${this.settings}
        @settings-changed=${(event: CustomEvent<Settings>) => {
          this.settings = event.detail;
          this.memory.write("settings", event.detail);
        }}
      ></mh-ask-settings>
      <mh-answer .ask=${ask} @ask-again=${this.#askAgain}></mh-answer>
      <mh-route ?hidden=${ask.hops.length === 0} .hops=${ask.hops} ?running=${running}></mh-route>
    </section>`;
  }
}
