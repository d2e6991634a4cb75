// A button that copies a text and says that it did.
import { LitElement, html, type PropertyValues, type TemplateResult } from "lit";
import { SIGNS } from "./icons.ts";
import { base, buttons } from "./shared-styles.ts";

/** Milliseconds for which "Copied" stays. */
const SAID_MS = 2000;

export class CopyButton extends LitElement {
  static override styles = [base, buttons];
  static override properties = { text: {}, label: {}, said: { state: true } };

  declare text: string;
  /** The button's words: "Copy the answer". */
  declare label: string;
  declare said: "" | "Copied" | "Not copied: select the text and copy it yourself";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.text = "";
    this.label = "Copy";
    this.said = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("text")) this.said = "";
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text);
      this.said = "Copied";
    } catch {
      this.said = "Not copied: select the text and copy it yourself"; // no permission, or no clipboard in this browser
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.said = ""), SAID_MS);
  }

  protected override render(): TemplateResult {
    return html`<button type="button" class="button slim" @click=${() => void this.#copy()}>
        ${this.said === "Copied" ? SIGNS.done : SIGNS.copy}<span>${this.said === "" ? this.label : this.said}</span>
      </button>
      <span class="unseen" role="status">${this.said}</span>`;
  }
}
