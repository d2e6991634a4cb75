// The text that a person agrees to before this tab loads or computes anything for others.
import { LitElement, css, html, type TemplateResult } from "lit";
import type { ModelOffer } from "../../node/face.ts";
import { mostMemoryBytes } from "../../model/most-memory.ts";
import { formatBytes } from "../parts/format.ts";
import { base, buttons } from "../parts/shared-styles.ts";

/** Sizes of the node and its runtime, compressed, as measured on the built site: named before they are fetched. */
const SOFTWARE_BYTES = { wasm: 4_000_000, withWebGpu: 11_000_000 } as const;

/** Bytes that the node allows for the key/value caches of all sessions together. */
const CACHE_BYTES = 256 * 1024 * 1024;

/** Returns what lending fetches, in words, whether the model is known yet or not. */
export function fetchSentence(model: ModelOffer | undefined): string {
  const weights = model === undefined ? "the layers that it will hold" : `at most ${formatBytes(model.sizeBytes)} of the model`;
  return `${weights} and about ${formatBytes(SOFTWARE_BYTES.wasm)} of software (up to ${formatBytes(SOFTWARE_BYTES.withWebGpu)} if the graphics card is used)`;
}

/** Returns how much of this device's memory lending takes, the caches of its sessions included. */
export function memorySentence(model: ModelOffer | undefined): string {
  if (model === undefined) return "Before it loads, you see how much memory it needs.";
  return `All of ${model.name} would need up to ${formatBytes(mostMemoryBytes(model, CACHE_BYTES))} of memory; what this device cannot hold, it leaves to others.`;
}

export class LendConsent extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: grid;
        gap: 18px;
      }
      dl {
        display: grid;
        gap: 14px;
      }
      dl div {
        padding-inline-start: 16px;
        border-inline-start: 3px solid var(--good);
      }
      dl .risk {
        border-inline-start-color: var(--lamp);
      }
      dt {
        font-weight: 600;
      }
      dd {
        color: var(--soft);
        font-size: 0.9375rem;
        text-wrap: pretty;
      }
      .go {
        display: grid;
        gap: 8px;
        justify-items: start;
      }
    `,
  ];
  static override properties = { model: { attribute: false } };

  declare model: ModelOffer | undefined;

  protected override render(): TemplateResult {
    return html`<dl>
        <div>
          <dt>What happens</dt>
          <dd>
            This tab fetches ${fetchSentence(this.model)} once and keeps them in this browser. Then it computes its layers for anyone who
            asks, at most as much as you allow. ${memorySentence(this.model)} Between prompts it computes tasks for others: pictures, sums,
            sorting, models, and programs of strangers, which run in a sandbox without network, storage or any sight of this page.
          </dd>
        </div>
        <div>
          <dt>How it ends</dt>
          <dd>Switch it off or close the tab. Other tabs take over.</dd>
        </div>
        <div class="risk">
          <dt>What is not protected</dt>
          <dd>
            Other tabs see this device's IP address. The numbers that pass through a tab are not text, but text can be guessed from them.
          </dd>
        </div>
      </dl>
      <div class="go">
        <button type="button" class="button main" data-testid="lend-start" @click=${() => this.dispatchEvent(new CustomEvent("agreed"))}>
          Agree and lend
        </button>
        <p class="small soft">Until you agree, nothing is loaded and nothing is computed for others.</p>
      </div>`;
  }
}
