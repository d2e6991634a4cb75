// The panel for models: the operator's offers and how much of each this device can hold, other models, adding one.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { CatalogEntry, Device, FolderHandle, ModelOffer } from "../../node/face.ts";
import { CATALOG, estimateSizes } from "../../model/catalog.ts";
import { formatBytes, formatCount } from "../parts/format.ts";
import { addCommand, factsWords, fitWords, readDevice, readHubId, standingWords } from "./model-words.ts";
import type { NodeController } from "../node-controller.ts";
import { base, buttons, fields, panel, stacked, tables } from "../parts/shared-styles.ts";
import { Watch } from "../parts/watch.ts";

/** Chromium says how much memory the device has; the platform's types do not know that. */
const browser: Navigator & { readonly deviceMemory?: number } = navigator;
/** Chromium opens folders to pages; other browsers do not. */
const opener = globalThis as { readonly showDirectoryPicker?: (options: { readonly id: string }) => Promise<FolderHandle> };

export class ModelsPanel extends LitElement {
  static override styles = [
    base,
    panel,
    stacked,
    tables,
    buttons,
    fields,
    css`
      .offers {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr));
        gap: 14px;
      }
      .offers li {
        display: grid;
        align-content: start;
        gap: 6px;
        padding: 14px 16px;
        border: 1px solid var(--edge);
        border-radius: var(--radius-small);
        background: var(--sunk);
      }
      .offers .served {
        border-inline-start: 4px solid var(--lamp);
      }
      h3 {
        font: 600 1.125rem/1.3 var(--serif);
        overflow-wrap: anywhere;
      }
      .verbs {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        margin-top: 4px;
      }
      .verbs [aria-pressed="true"] {
        background: color-mix(in srgb, var(--accent) 14%, transparent);
        border-color: var(--accent);
      }
      .scroll {
        margin-top: 8px;
      }
      th,
      td {
        vertical-align: top;
      }
      thead th {
        white-space: nowrap;
      }
      .own {
        display: grid;
        gap: 8px;
        max-width: 640px;
        margin-top: 14px;
      }
      pre {
        margin: 0;
        padding: 12px 14px;
        border: 1px solid var(--edge);
        border-radius: var(--radius-small);
        font: 0.8125rem/1.5 var(--mono);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .line {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 10px;
      }
    `,
  ];
  static override properties = {
    controller: { attribute: false },
    device: { state: true },
    typed: { state: true },
    trouble: { state: true },
  };

  declare controller: NodeController;
  declare device: Device;
  /** The text in the field for a hub id. */
  declare typed: string;
  /** Why a folder could not be opened; empty if none failed. */
  declare trouble: string;
  #asked = false;

  constructor() {
    super();
    this.typed = "";
    this.trouble = "";
    this.device = { memoryBytes: undefined, gpuBufferBytes: undefined };
    new Watch(this, () => [this.controller]);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void readDevice(browser).then((device) => (this.device = device));
  }

  /** Asks the graphics card how much it can hold, but only once the person opens the details: asking wakes the card. */
  #onOpen(event: Event): void {
    if (this.#asked || !(event.target as HTMLDetailsElement).open) return; // the listener sits on the details
    this.#asked = true;
    void readDevice(browser, navigator.gpu).then((device) => (this.device = device));
  }

  async #openFolder(model: ModelOffer): Promise<void> {
    this.trouble = "";
    try {
      const folder = await opener.showDirectoryPicker?.({ id: "manyhands-model" });
      if (folder) this.controller.mountFolder(model.id, folder);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return; // the person changed their mind
      this.trouble = "This browser did not open the folder. Nothing has changed: try again, or choose another one.";
    }
  }

  protected override render(): TemplateResult {
    const { models } = this.controller.view;
    const memory = this.device.memoryBytes;
    return html`<section class="panel" aria-labelledby="title">
      <h2 id="title">Models</h2>
      ${
        models.length === 0
          ? html`<p class="lead">The relay has not said yet what it offers.</p>`
          : html`<ul class="offers" data-testid="models">
              ${models.map((model) => this.#offer(model))}
            </ul>`
      }
      <p class="small" role="status" data-testid="folder-trouble">${this.trouble}</p>
      <details @toggle=${this.#onOpen}>
        <summary data-testid="models-more">More good models, and your own</summary>
        <p class="small soft">
          A tab loads only what it can check: the relay must have the model's manifest, which lists the hash of every piece. The relay's
          operator adds a model with the command beside it and restarts the relay; the weights then come from the hub and from other tabs.
          Sizes are estimates for 4-bit weights;
          ${memory === undefined ? "this browser does not say how much memory it has, so a phone's is assumed." : `this browser reports ${memory / 1024 ** 3} GB of memory or more.`}
        </p>
        <div class="scroll" tabindex="0" role="group" aria-label="Table of models">
          <table data-testid="catalog">
            <thead>
              <tr>
                ${["Model", "Size", "A layer", "Reads", "Licence", "Here", "Command to add it"].map((head) => html`<th scope="col">${head}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${CATALOG.map((entry) => this.#entry(entry))}
            </tbody>
          </table>
        </div>
        ${this.#own()}
        <p class="small soft" data-testid="folder-words">
          ${
            opener.showDirectoryPicker === undefined
              ? "This browser does not open folders to a page (Chrome and Edge do), so even weights that are on this device already are fetched."
              : "A folder on this device that holds a model's files can be read instead of fetching them: each piece is checked as if it came from elsewhere."
          }
        </p>
      </details>
    </section>`;
  }

  #offer(model: ModelOffer): TemplateResult {
    const { standings, models, folders } = this.controller.view;
    const folder = folders.get(model.id);
    const standing = standings.find((each) => each.model === model.id);
    return html`<li class=${standing?.isServed === true ? "served" : ""} data-testid="model" data-model=${model.id}>
      <h3>${model.name}</h3>
      <p class="small">${model.chat ? "Answers questions" : "Continues a text"}; ${standingWords(standing)}.</p>
      <p class="small soft">${factsWords(model)}. ${fitWords(model, this.device)}</p>
      ${folder === undefined ? nothing : html`<p class="small" data-testid="model-folder">Weights are looked for in the folder “${folder.name}” first.</p>`}
      ${this.#verbs(model, models.length > 1)}
    </li>`;
  }

  #verbs(model: ModelOffer, hasChoice: boolean): TemplateResult | typeof nothing {
    const { askWish, lendWish } = this.controller.view;
    const toggle = (wish: string | undefined): ModelOffer["id"] | undefined => (wish === model.id ? undefined : model.id);
    if (!hasChoice && opener.showDirectoryPicker === undefined) return nothing;
    return html`<div class="verbs">
      ${
        hasChoice
          ? html`<button
                type="button"
                class="button slim"
                data-testid="model-ask"
                aria-pressed=${askWish === model.id}
                aria-label="Ask ${model.name}"
                @click=${() => this.controller.setAskModel(toggle(askWish))}
              >
                Ask this one
              </button>
              <button
                type="button"
                class="button slim"
                data-testid="model-lend"
                aria-pressed=${lendWish === model.id}
                aria-label="Lend ${model.name}"
                @click=${() => this.controller.setLendModel(toggle(lendWish))}
              >
                Lend this one
              </button>`
          : nothing
      }
      ${
        opener.showDirectoryPicker === undefined
          ? nothing
          : html`<button
              type="button"
              class="button slim"
              data-testid="model-folder-open"
              aria-label="Read the weights of ${model.name} from a folder on this device"
              @click=${() => void this.#openFolder(model)}
            >
              Read from a folder…
            </button>`
      }
    </div>`;
  }

  #entry(entry: CatalogEntry): TemplateResult {
    const { sizeBytes, layerBytes, edgeBytes, cacheBytes } = estimateSizes(entry);
    const shape = {
      layerCount: entry.layers,
      layerBytes,
      edgeBytes,
      cacheBytes: cacheBytes * entry.layers,
      dtype: entry.file.includes("q4f16") ? "q4f16" : "q4",
    };
    const command = addCommand(entry.id, entry.file);
    return html`<tr>
      <th scope="row">${entry.name}<br /><span class="soft" style="font-weight: 400">${entry.about}</span></th>
      <td>about ${formatBytes(sizeBytes)}</td>
      <td>about ${formatBytes(layerBytes)}</td>
      <td>${formatCount(entry.contextLength)} tokens</td>
      <td>${entry.licence}</td>
      <td>${fitWords(shape, this.device)}</td>
      <td><mh-copy label="Copy" .text=${command}></mh-copy></td>
    </tr>`;
  }

  #own(): TemplateResult {
    const id = readHubId(this.typed);
    const wrong = this.typed.trim() !== "" && id === undefined;
    return html`<div class="own">
      <label for="hub">Bring your own: a hub id, or the address of its page</label>
      <input
        id="hub"
        type="text"
        name="hub"
        data-testid="own-id"
        autocomplete="off"
        spellcheck="false"
        placeholder="onnx-community/Qwen3-0.6B-ONNX"
        aria-describedby="own"
        aria-invalid=${wrong}
        .value=${this.typed}
        @input=${(event: Event) => (this.typed = (event.target as HTMLInputElement).value)}
      />
      <div id="own" role="status">
        ${
          wrong
            ? html`<p class="small">A hub id is written organisation/name.</p>`
            : html`<div class="line">
                <pre data-testid="own-command"><code>${addCommand(id ?? "organisation/name")}</code></pre>
                <mh-copy label="Copy the command" .text=${addCommand(id ?? "organisation/name")}></mh-copy>
              </div>`
        }
      </div>
      <p class="small soft">
        It needs an ONNX export of a decoder with a KV cache; an export that cannot be cut is refused with the reason. Then:
        <code>npm start -- --models models</code>.
      </p>
    </div>`;
  }
}
