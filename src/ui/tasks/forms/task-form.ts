// Draws one form from its description: fields with their hints and faults, examples, and the button.
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { formStyles } from "../../parts/form-styles.ts";
import { SIGNS } from "../../parts/icons.ts";
import { base, buttons, fields, notices } from "../../parts/shared-styles.ts";
import { choiceStyles } from "./choice-styles.ts";
import type { Field, Filled, KindForm, Wrong } from "./form.ts";

/** A text with more characters is not put into a field: a sentence with its length stands in its place. */
const SHOWN_MAX = 200_000;

export class TaskForm extends LitElement {
  static override styles = [
    base,
    buttons,
    fields,
    notices,
    formStyles,
    choiceStyles,
    css`
      form {
        gap: 16px;
      }
      .field {
        display: grid;
        gap: 4px;
        min-width: 0;
      }
      fieldset {
        margin: 0;
        padding: 0;
        border: 0;
        min-width: 0;
      }
      fieldset p {
        margin-top: 6px;
      }
      legend {
        padding: 0;
      }
      .options {
        margin-top: 4px;
      }
      .options label {
        gap: 8px;
        min-height: 40px;
        padding: 4px 14px;
        border-radius: 999px;
        font-weight: 400;
      }
      .options label:has(:checked) {
        font-weight: 600;
      }
      .options input {
        margin: 0;
        accent-color: var(--accent);
        outline: none;
      }
      textarea {
        min-height: 3.2em;
        max-height: 60vh;
        padding: 10px 12px;
        font: 0.9375rem/1.5 var(--sans);
      }
      textarea.code {
        font: 0.875rem/1.55 var(--mono);
        tab-size: 2;
      }
      [aria-invalid="true"] {
        border-color: var(--alert) !important;
      }
      input[type="file"] {
        width: 100%;
        font: inherit;
        font-size: 0.9375rem;
        color: var(--ink);
      }
      input[type="file"]::file-selector-button {
        min-height: 36px;
        margin-inline-end: 12px;
        padding: 4px 14px;
        border: 1px solid var(--field-edge);
        border-radius: 999px;
        background: transparent;
        color: var(--ink);
        font: inherit;
        font-weight: 600;
        cursor: pointer;
      }
      input[type="number"] {
        max-width: 160px;
      }
      .chip {
        font-size: 0.9375rem;
      }
    `,
  ];
  static override properties = {
    form: { attribute: false },
    busy: { type: Boolean },
    trouble: {},
    filled: { state: true },
    wrong: { state: true },
  };

  declare form: KindForm;
  /** Whether a job is on its way to the node. */
  declare busy: boolean;
  /** Why the node refused the job; empty if it did not. */
  declare trouble: string;
  declare filled: Filled;
  declare wrong: Wrong | undefined;
  /** The contents of the other kinds' forms, by kind, for when the person comes back to one. */
  readonly #kept = new Map<string, Filled>();

  constructor() {
    super();
    this.busy = false;
    this.trouble = "";
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("form")) return;
    const before = changed.get("form");
    if (before !== undefined) this.#kept.set(before.kind, this.filled);
    this.filled = this.#kept.get(this.form.kind) ?? { values: this.form.start, files: {} };
    this.wrong = undefined;
  }

  #change(name: string, value: string): void {
    const values = { ...this.filled.values, [name]: value };
    this.filled = { ...this.filled, values: this.form.follow?.(name, values) ?? values };
    this.#mended();
  }

  #choose(name: string, file: File | undefined): void {
    this.filled = { ...this.filled, files: { ...this.filled.files, [name]: file } };
    this.#mended();
  }

  #fill({ values, files }: Partial<Filled>): void {
    this.filled = { values: { ...this.filled.values, ...values }, files: { ...files } };
    for (const input of this.renderRoot.querySelectorAll<HTMLInputElement>("input[type=file]")) input.value = "";
    this.#mended();
  }

  #mended(): void {
    this.wrong = undefined;
    this.dispatchEvent(new CustomEvent("task-changed"));
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.busy) return;
    const { form } = this;
    const reading = await form.read(this.filled);
    if (form !== this.form) return; // the person chose another kind while a file was read
    if ("wrong" in reading) {
      this.wrong = reading.wrong;
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLElement>(`[name="${reading.wrong.field}"]`)?.focus();
      return;
    }
    this.wrong = undefined;
    this.dispatchEvent(new CustomEvent("task-asked", { detail: { kind: form.kind, ...reading } }));
  }

  protected override render(): TemplateResult {
    const { form, filled, busy } = this;
    const shown = form.fields.filter(({ when }) => when?.(filled.values) ?? true);
    return html`<form @submit=${(event: Event) => void this.#submit(event)} novalidate data-testid="task-form" data-kind=${form.kind}>
      ${
        form.examples.length === 0
          ? nothing
          : html`<div class="chips" role="group" aria-label="Examples">
              ${form.examples.map(
                ({ label, fill }) =>
                  html`<button type="button" class="chip" data-testid="task-example" @click=${() => this.#fill(fill())}>${label}</button>`,
              )}
            </div>`
      }
      ${shown.map((field) => this.#field(field))}
      ${this.trouble === "" ? nothing : html`<p class="notice alert small" role="alert" data-testid="task-trouble">${this.trouble}</p>`}
      <div class="row">
        <button type="submit" class="button main" data-testid="task-submit" aria-disabled=${busy}>
          <span>${busy ? "Handing it over…" : form.verb}</span>${SIGNS.ask}
        </button>
        <slot></slot>
      </div>
    </form>`;
  }

  #field(field: Field): TemplateResult {
    const wrong = this.wrong?.field === field.name ? this.wrong.message : "";
    const describedBy = [
      ...(field.hint === undefined ? [] : [`${field.name}-hint`]),
      ...(wrong === "" ? [] : [`${field.name}-wrong`]),
    ].join(" ");
    const under = html`${field.hint === undefined ? nothing : html`<p class="small soft" id="${field.name}-hint">${field.hint}</p>`}
    ${wrong === "" ? nothing : html`<p class="wrong" role="alert" id="${field.name}-wrong" data-testid="task-wrong">${wrong}</p>`}`;
    if (field.kind === "choice")
      return html`<fieldset aria-describedby=${describedBy || nothing}>
        <legend class="label">${field.label}</legend>
        <div class="choices options">${field.options.map(([value, label]) => this.#option(field.name, value, label))}</div>
        ${under}
      </fieldset>`;
    return html`<div class="field">
      <label for=${field.name}>${field.label}</label>
      ${this.#input(field, describedBy, wrong !== "")} ${under}
    </div>`;
  }

  #option(name: string, value: string, label: string): TemplateResult {
    return html`<label>
      <input
        type="radio"
        name=${name}
        value=${value}
        data-testid="task-${name}-${value}"
        .checked=${this.filled.values[name] === value}
        @change=${() => this.#change(name, value)}
      />${label}
    </label>`;
  }

  #input(field: Exclude<Field, { kind: "choice" }>, describedBy: string, isWrong: boolean): TemplateResult {
    const { name } = field;
    const value = this.filled.values[name] ?? "";
    switch (field.kind) {
      case "text":
        return value.length > SHOWN_MAX
          ? html`<div class="row">
              <p class="small" data-testid="task-${name}-long">${value.length.toLocaleString("en")} characters, too many to show here.</p>
              <button type="button" class="button slim" id=${name} name=${name} @click=${() => this.#change(name, "")}>
                Empty the field
              </button>
            </div>`
          : html`<textarea
              id=${name}
              name=${name}
              data-testid="task-${name}"
              class=${field.isCode === true ? "code" : ""}
              rows=${field.rows}
              autocomplete="off"
              spellcheck="false"
              placeholder=${field.placeholder ?? nothing}
              aria-describedby=${describedBy || nothing}
              aria-invalid=${isWrong}
              .value=${value}
              @input=${(event: Event) => this.#change(name, (event.target as HTMLTextAreaElement).value)}
            ></textarea>`;
      case "number":
        return html`<input
          id=${name}
          name=${name}
          type="number"
          inputmode="numeric"
          data-testid="task-${name}"
          min=${field.min}
          max=${field.max}
          aria-describedby=${describedBy || nothing}
          aria-invalid=${isWrong}
          .value=${value}
          @input=${(event: Event) => this.#change(name, (event.target as HTMLInputElement).value)}
        />`;
      case "file":
        return this.#fileInput(field, describedBy, isWrong);
    }
  }

  #fileInput({ name, accept }: Extract<Field, { kind: "file" }>, describedBy: string, isWrong: boolean): TemplateResult {
    const chosen = this.filled.files[name];
    return html`<input
        id=${name}
        name=${name}
        type="file"
        data-testid="task-${name}"
        accept=${accept ?? nothing}
        aria-describedby=${describedBy || nothing}
        aria-invalid=${isWrong}
        @change=${(event: Event) => this.#choose(name, (event.target as HTMLInputElement).files?.[0])}
      />
      ${chosen === undefined ? nothing : html`<p class="small">“${chosen.name}” will be used.</p>`}`;
  }
}
