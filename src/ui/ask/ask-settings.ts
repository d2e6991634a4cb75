// The sampling settings, which say how the next token is drawn: folded away on the page, and remembered.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import {
  FIELDS,
  FIELD_NAMES,
  PRESETS,
  SEED_MAX,
  presetOf,
  withField,
  withSeed,
  type FieldName,
  type PresetName,
  type Settings,
} from "./sampling-settings.ts";
import { base, buttons, fields } from "../parts/shared-styles.ts";

const PRESET_LABELS: Readonly<Record<PresetName, string>> = { story: "Storyteller", greedy: "Greedy" };

interface Check {
  readonly checked: boolean;
  /** Returns the settings that follow from turning it on or off. */
  readonly settings: (isOn: boolean) => Partial<Settings>;
}

export class AskSettings extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    css`
      .presets {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        align-items: center;
        padding: 8px 0 14px;
      }
      .presets .button[aria-pressed="true"] {
        background: color-mix(in srgb, var(--accent) 14%, transparent);
        border-color: var(--accent);
      }
      .grid {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(min(190px, 100%), 1fr));
        gap: 16px 18px;
        padding-bottom: 6px;
      }
      .grid > div {
        display: grid;
        gap: 4px;
        align-content: start;
      }
    `,
  ];
  static override properties = { settings: { attribute: false }, inConversation: { type: Boolean, attribute: "in-conversation" } };

  declare settings: Settings;
  /** Whether the panel shows conversations: they can grow too long for the model. */
  declare inConversation: boolean;

  #onOverflow(event: Event): void {
    const refuse = (event.target as HTMLSelectElement).value === "refuse"; // the listener sits on this select
    this.#set({ ...this.settings, overflow: refuse ? "refuse" : "drop-oldest" });
  }

  #set(settings: Settings): void {
    this.dispatchEvent(new CustomEvent<Settings>("settings-changed", { detail: settings }));
  }

  /** A setting that is on or off, with a hint that says what it does. */
  #check(name: "drafts" | "wire", label: string, hint: string, { checked, settings }: Check): TemplateResult {
    return html`<div>
      <label class="check">
        <input
          name=${name}
          data-testid="setting-${name}"
          type="checkbox"
          aria-describedby="${name}-hint"
          .checked=${checked}
          @change=${(event: Event) => this.#set({ ...this.settings, ...settings((event.target as HTMLInputElement).checked) })}
        />
        ${label}
      </label>
      <p class="small soft" id="${name}-hint">${hint}</p>
    </div>`;
  }

  /** The settings that a preset leaves as they are. */
  #kept(): Pick<Settings, "maxTokens" | "seed" | "stop" | "overflow" | "drafts" | "wire"> {
    const { maxTokens, seed, stop, overflow, drafts, wire } = this.settings;
    return { maxTokens, seed, stop, overflow, drafts, wire };
  }

  #field(name: FieldName): TemplateResult {
    const field = FIELDS[name];
    return html`<div>
      <label for=${name}>${field.label}</label>
      <input
        id=${name}
        name=${name}
        data-testid="setting-${name}"
        type="number"
        inputmode="decimal"
        min=${field.min}
        max=${field.max}
        step=${field.step}
        aria-describedby="${name}-hint"
        .value=${String(this.settings[name])}
        @change=${(event: Event) => {
          const input = event.target as HTMLInputElement; // the listener sits on this input
          this.#set(withField(this.settings, name, input.value));
          input.value = String(withField(this.settings, name, input.value)[name]);
        }}
      />
      <p class="small soft" id="${name}-hint">${field.hint}</p>
    </div>`;
  }

  protected override render(): TemplateResult {
    const preset = presetOf(this.settings);
    return html`<details>
      <summary data-testid="ask-settings">Sampling: ${preset === undefined ? "your own settings" : PRESET_LABELS[preset]}</summary>
      <div class="presets" role="group" aria-label="Presets">
        ${(Object.keys(PRESETS) as PresetName[]).map(
          (name) =>
            html`<button
              type="button"
              class="button slim"
              data-testid="preset-${name}"
              aria-pressed=${name === preset}
              @click=${() => this.#set({ ...PRESETS[name], ...this.#kept() })}
            >
              ${PRESET_LABELS[name]}
            </button>`,
        )}
        <span class="small soft">Greedy gives the same text each time.</span>
      </div>
      <div class="grid">
        ${FIELD_NAMES.map((name) => this.#field(name))}
        <div>
          <label for="seed">Seed</label>
          <input
            id="seed"
            name="seed"
            data-testid="setting-seed"
            type="number"
            inputmode="numeric"
            min="0"
            max=${SEED_MAX}
            step="1"
            placeholder="new each time"
            aria-describedby="seed-hint"
            .value=${this.settings.seed === null ? "" : String(this.settings.seed)}
            @change=${(event: Event) => this.#set(withSeed(this.settings, (event.target as HTMLInputElement).value))}
          />
          <p class="small soft" id="seed-hint">Same seed and settings, same text.</p>
        </div>
        <div>
          <label for="stop">Stop at</label>
          <textarea
            id="stop"
            name="stop"
            data-testid="setting-stop"
            rows="2"
            maxlength="2000"
            autocomplete="off"
            spellcheck="false"
            aria-describedby="stop-hint"
            .value=${this.settings.stop}
            @change=${(event: Event) => this.#set({ ...this.settings, stop: (event.target as HTMLTextAreaElement).value })}
          ></textarea>
          <p class="small soft" id="stop-hint">Texts that end an answer, one per line; <code>\\n</code> stands for a line break.</p>
        </div>
        ${this.#check("drafts", "Guess ahead", "Computes several tokens at once where the text repeats itself. The text is the same.", {
          checked: this.settings.drafts,
          settings: (drafts) => ({ drafts }),
        })}
        ${this.#check(
          "wire",
          "Send half the bytes",
          "Rounds the numbers that pass from tab to tab, for slow connections. One computer alone might write another text.",
          {
            checked: this.settings.wire === "float16",
            settings: (isHalf) => ({ wire: isHalf ? "float16" : "float32" }),
          },
        )}
        ${
          this.inConversation
            ? html`<div>
                <label for="overflow">When a conversation grows too long</label>
                <select id="overflow" name="overflow" data-testid="setting-overflow" @change=${this.#onOverflow}>
                  <option value="drop-oldest" ?selected=${this.settings.overflow === "drop-oldest"}>Leave out the oldest turns</option>
                  <option value="refuse" ?selected=${this.settings.overflow === "refuse"}>Stop and tell me</option>
                </select>
                <p class="small soft">The system prompt always stays.</p>
              </div>`
            : nothing
        }
      </div>
    </details>`;
  }
}
