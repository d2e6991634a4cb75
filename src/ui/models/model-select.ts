// The choice of a model: a person names one, or leaves the choice to the swarm.
import { LitElement, css, html, type TemplateResult } from "lit";
import type { ModelOffer, ModelStanding } from "../../node/face.ts";
import { standingWords } from "./model-words.ts";
import { base, fields } from "../parts/shared-styles.ts";

export class ModelSelect extends LitElement {
  static override styles = [
    base,
    fields,
    css`
      :host {
        display: grid;
        gap: 4px;
      }
    `,
  ];
  static override properties = {
    models: { attribute: false },
    standings: { attribute: false },
    wish: { attribute: false },
    label: {},
    auto: {},
    test: {},
  };

  declare models: readonly ModelOffer[];
  declare standings: readonly ModelStanding[];
  /** Id of the model that the person wants; undefined if they want none in particular. */
  declare wish: string | undefined;
  declare label: string;
  /** The words for having no wish. */
  declare auto: string;
  /** Test id of the field. */
  declare test: string;

  #onChange(event: Event): void {
    const { value } = event.target as HTMLSelectElement; // the listener sits on this select
    const chosen = this.models.find((model) => model.id === value);
    this.dispatchEvent(new CustomEvent("model-chosen", { detail: chosen?.id }));
  }

  protected override render(): TemplateResult {
    const known = this.models.some((model) => model.id === this.wish);
    return html`<label for="model">${this.label}</label>
      <select id="model" name="model" data-testid=${this.test} @change=${this.#onChange}>
        <option value="" ?selected=${!known}>${this.auto}</option>
        ${this.models.map((model) => {
          const standing = this.standings.find((each) => each.model === model.id);
          return html`<option value=${model.id} ?selected=${model.id === this.wish}>${model.name}: ${standingWords(standing)}</option>`;
        })}
      </select>`;
  }
}
