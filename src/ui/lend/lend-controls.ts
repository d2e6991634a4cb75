// The settings of lending: the share of compute, the backend, and how many bytes of weights are kept between visits.
import { LitElement, css, html, type TemplateResult } from "lit";
import type { BackendChoice } from "../../node/face.ts";
import { base, fields } from "../parts/shared-styles.ts";

const BACKENDS: readonly { readonly value: BackendChoice; readonly label: string }[] = [
  { value: "auto", label: "Whichever is faster here" },
  { value: "webgpu", label: "WebGPU (graphics card)" },
  { value: "wasm", label: "WebAssembly (processor)" },
];

const MIB = 1024 * 1024;
/** The budgets to choose from, in bytes. */
const KEEP = [0, 256 * MIB, 1024 * MIB, 4096 * MIB, 16_384 * MIB] as const;

function keepLabel(bytes: number): string {
  if (bytes === 0) return "Nothing: fetch anew each time";
  return bytes < 1024 * MIB ? `At most ${bytes / MIB} MB of layers` : `At most ${bytes / (1024 * MIB)} GB of layers`;
}

export class LendControls extends LitElement {
  static override styles = [
    base,
    fields,
    css`
      :host {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(210px, 100%), 1fr));
        gap: 14px 24px;
      }
      .field {
        display: grid;
        gap: 4px;
        align-content: start;
      }
      .top {
        display: flex;
        justify-content: space-between;
        gap: 12px;
      }
      output {
        font-weight: 600;
        font-size: 0.875rem;
        font-variant-numeric: tabular-nums;
      }
    `,
  ];
  static override properties = { share: { type: Number }, backend: {}, keepBytes: { type: Number } };

  declare share: number;
  declare backend: BackendChoice;
  /** Bytes of weights kept between visits. */
  declare keepBytes: number;

  #onShare(event: Event): void {
    const percent = Number((event.target as HTMLInputElement).value); // the listener sits on this input
    this.dispatchEvent(new CustomEvent<number>("share-changed", { detail: percent / 100 }));
  }

  #onBackend(event: Event): void {
    const choice = BACKENDS.find(({ value }) => value === (event.target as HTMLSelectElement).value)?.value;
    if (choice !== undefined) this.dispatchEvent(new CustomEvent<BackendChoice>("backend-changed", { detail: choice }));
  }

  #onKeep(event: Event): void {
    const bytes = Number((event.target as HTMLSelectElement).value); // the listener sits on this select
    this.dispatchEvent(new CustomEvent<number>("keep-changed", { detail: bytes }));
  }

  protected override render(): TemplateResult {
    const percent = Math.round(this.share * 100);
    return html`<div class="field">
        <div class="top"><label for="share">Share of compute</label><output for="share">${percent} %</output></div>
        <input
          id="share"
          name="share"
          data-testid="share-slider"
          type="range"
          min="10"
          max="100"
          step="5"
          .value=${String(percent)}
          aria-valuetext="${percent} percent"
          @input=${this.#onShare}
        />
      </div>
      <div class="field">
        <label for="backend">Compute with</label>
        <select id="backend" name="backend" data-testid="backend-select" @change=${this.#onBackend}>
          ${BACKENDS.map(({ value, label }) => html`<option value=${value} ?selected=${value === this.backend}>${label}</option>`)}
        </select>
      </div>
      <div class="field">
        <label for="keep">Keep for the next visit</label>
        <select id="keep" name="keep" data-testid="keep-select" @change=${this.#onKeep}>
          ${KEEP.map((bytes) => html`<option value=${bytes} ?selected=${bytes === this.keepBytes}>${keepLabel(bytes)}</option>`)}
        </select>
      </div>`;
  }
}
