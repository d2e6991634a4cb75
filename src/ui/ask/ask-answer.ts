// The answer while it is written: prompt and continuation as one story, said to a screen reader sentence by sentence.
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { choice, ending, isRunning, replacement, type AskState } from "./ask-state.ts";
import { formatCount, formatMs, formatSpeed, plural } from "../parts/format.ts";
import { SIGNS } from "../parts/icons.ts";
import { progressBar, progressStyles } from "../parts/progress-bar.ts";
import { finishedSentences } from "./sentences.ts";
import { base, buttons, notices } from "../parts/shared-styles.ts";

export class AskAnswer extends LitElement {
  static override styles = [
    base,
    buttons,
    notices,
    progressStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        gap: 16px;
      }
      .story {
        min-height: 7.2em;
        padding: clamp(16px, 2.6vw, 24px);
        border-radius: var(--radius-small);
        background: var(--sunk);
        font: 1.1875rem/1.65 var(--serif);
        overflow-wrap: anywhere;
      }
      .story.empty {
        display: grid;
        flex: 1;
        min-height: 9em;
        align-content: center;
        background: none;
        border: 1.5px dashed var(--edge);
        color: var(--soft);
        font-style: italic;
        text-wrap: pretty;
      }
      :host([in-conversation]) .story {
        min-height: 3.4em;
        max-width: 62ch;
        padding: 12px 18px;
        border-radius: 16px;
        border-end-start-radius: 5px;
        font-size: 1.09375rem;
      }
      .prompt,
      .text {
        white-space: pre-wrap;
      }
      .prompt {
        color: var(--soft);
      }
      .running .text::after {
        content: "";
        display: inline-block;
        width: 0.5em;
        height: 1.05em;
        margin-inline-start: 3px;
        border-radius: 3px;
        vertical-align: -0.16em;
        background: var(--lamp);
        animation: glow 1.1s ease-in-out infinite;
      }
      @keyframes glow {
        50% {
          opacity: 0.25;
        }
      }
      dl {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(118px, max-content));
        gap: 10px 26px;
      }
      dl div {
        display: flex;
        flex-direction: column-reverse;
      }
      dt {
        font-size: 0.8125rem;
        color: var(--soft);
      }
      dd {
        font-weight: 600;
        font-size: 1.0625rem;
        font-variant-numeric: tabular-nums;
      }
      .end {
        display: flex;
        flex-wrap: wrap;
        gap: 10px 20px;
        align-items: center;
        justify-content: space-between;
      }
    `,
  ];
  static override properties = {
    ask: { attribute: false },
    inConversation: { type: Boolean, attribute: "in-conversation", reflect: true },
    said: { state: true },
  };

  declare ask: AskState;
  /** Whether the answer stands under its question in a conversation. If not, it continues the prompt. */
  declare inConversation: boolean;
  /** The text in the live region now. */
  declare said: string;
  /** Characters of the answer that the live region has had. */
  #saidUpTo = 0;

  constructor() {
    super();
    this.inConversation = false;
    this.said = "";
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("ask");
    if (!changed.has("ask")) return;
    const { ask } = this;
    if (ask.status === "waiting" && before?.status !== "waiting") {
      this.#saidUpTo = 0;
      this.said = "Asking";
    }
    const next = finishedSentences(ask.text, this.#saidUpTo);
    if (next !== "") {
      this.#saidUpTo += next.length;
      this.said = next.trim();
    }
    if (before !== undefined && isRunning(before) && !isRunning(ask)) {
      // The alert beside it reports a failure.
      this.said = `${ask.text.slice(this.#saidUpTo).trim()} ${ask.status === "failed" ? "" : ending(ask)}`.trim();
      this.#saidUpTo = ask.text.length;
    }
  }

  protected override render(): TemplateResult {
    const { ask } = this;
    return html`${ask.status === "idle" ? this.#empty() : this.#story()} ${this.#remarks()} ${this.#waiting()} ${this.#figures()}
      ${this.#end()}
      <p class="unseen" role="status">${this.said}</p>`;
  }

  #empty(): TemplateResult {
    return html`<div class="story empty">
      <p>Your story will be written here, together with the names of the tabs that wrote it.</p>
      <span data-testid="ask-answer" data-status="idle" data-tokens="" hidden></span>
    </div>`;
  }

  #story(): TemplateResult {
    const { ask } = this;
    // No white space between or inside the spans, since the element's text must be the answer and nothing else.
    return html`<div class="story ${isRunning(ask) ? "running" : ""}" role="group" aria-label="Answer">
      <span class="prompt">${this.inConversation ? "" : ask.prompt}</span
      ><span class="text" data-testid="ask-answer" data-status=${ask.status} data-tokens=${ask.tokens.join(",")}
        >${this.inConversation ? ask.text.trimStart() : ask.text}</span
      >
    </div>`;
  }

  /** Which model answers if the person chose none, which messages did not fit, and how many tabs left in the middle. */
  #remarks(): TemplateResult | typeof nothing {
    const chosen = choice(this.ask);
    const replaced = replacement(this.ask);
    const { dropped } = this.ask;
    if (chosen === "" && dropped === 0 && replaced === "") return nothing;
    const trimmed =
      dropped === 0
        ? ""
        : `The oldest ${plural(dropped, "message")} did not fit into the model's memory and ${dropped === 1 ? "was" : "were"} left out.`;
    return html`<p class="small soft" data-testid="ask-remarks">${[chosen, trimmed, replaced].filter((part) => part !== "").join(" ")}</p>`;
  }

  #waiting(): TemplateResult | typeof nothing {
    const { waiting, text } = this.ask;
    if (waiting === undefined) return nothing;
    return html`<div class="notice" data-testid="ask-waiting">
      <p role="status">${waiting.message}${text === "" ? "" : " (the answer so far is kept)"}</p>
      ${waiting.progress === undefined ? nothing : html`<div style="width:100%">${progressBar(waiting.progress, waiting.message)}</div>`}
    </div>`;
  }

  #figures(): TemplateResult | typeof nothing {
    const { stats } = this.ask;
    if (stats === undefined) return nothing;
    return html`<dl data-testid="ask-stats" data-tokens-per-second=${stats.tokensPerSecond} data-first-token-ms=${stats.timeToFirstTokenMs}>
      <div>
        <dt>tokens a second</dt>
        <dd data-testid="ask-speed">${formatSpeed(stats.tokensPerSecond)}</dd>
      </div>
      <div>
        <dt>to the first token</dt>
        <dd>${formatMs(stats.timeToFirstTokenMs)}</dd>
      </div>
      <div>
        <dt>${stats.newTokens === 1 ? "token" : "tokens"}, prompt ${formatCount(stats.promptTokens)}</dt>
        <dd>${formatCount(stats.newTokens)}</dd>
      </div>
      <div>
        <dt>seed</dt>
        <dd>${stats.seed}</dd>
      </div>
    </dl>`;
  }

  #end(): TemplateResult | typeof nothing {
    const { ask } = this;
    if (ask.status === "idle" || isRunning(ask)) return nothing;
    if (ask.status === "failed") {
      return html`<div class="notice alert" role="alert" data-testid="ask-problem" data-code=${ask.problem?.code ?? ""}>
        <p>${ending(ask)}${ask.text === "" ? "" : ` The ${plural(ask.tokens.length, "token")} above are kept.`}</p>
        <button type="button" class="button slim" data-testid="ask-again" @click=${() => this.dispatchEvent(new CustomEvent("ask-again"))}>
          ${SIGNS.again}<span>Try again</span>
        </button>
      </div>`;
    }
    return html`<div class="end">
      <p class="small soft">${ending(ask)}</p>
      <mh-copy
        .label=${this.inConversation ? "Copy the answer" : "Copy the story"}
        .text=${this.inConversation ? ask.text : ask.prompt + ask.text}
      ></mh-copy>
    </div>`;
  }
}
