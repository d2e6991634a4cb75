// The panel for the swarm: one sentence, the picture, and the same facts as a table.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { ModelOffer } from "../../node/face.ts";
import { isRunning } from "../ask/ask-state.ts";
import type { AskController } from "../ask/ask-controller.ts";
import { formatBytes, formatCount, formatLayers, formatMs } from "../parts/format.ts";
import type { NodeController } from "../node-controller.ts";
import { peerName, peerTail } from "../../shared/peer-name.ts";
import { base, fields, panel, stacked, tables } from "../parts/shared-styles.ts";
import { layoutSwarm, type SwarmLayout } from "./swarm-layout.ts";
import { peerDoes, swarmSentence } from "./swarm-words.ts";
import { Watch } from "../parts/watch.ts";

const HOSTS = { page: "page", widget: "widget", volunteer: "volunteer" } as const;

export class SwarmPanel extends LitElement {
  static override styles = [
    base,
    panel,
    stacked,
    tables,
    fields,
    css`
      .top {
        display: flex;
        flex-wrap: wrap;
        align-items: baseline;
        justify-content: space-between;
        gap: 4px 24px;
      }
      .empty {
        display: grid;
        justify-items: center;
        gap: 14px;
        padding: 28px 16px;
        border: 1.5px dashed var(--edge);
        border-radius: var(--radius-small);
        color: var(--soft);
        text-align: center;
        font: italic 1.125rem/1.5 var(--serif);
      }
      .windows {
        display: flex;
        gap: 5px;
      }
      .windows i {
        width: 18px;
        height: 24px;
        border-radius: 5px;
        border: 1.5px solid color-mix(in srgb, var(--field-edge) 55%, transparent);
      }
      th,
      td {
        white-space: nowrap;
      }
    `,
  ];
  static override properties = { controller: { attribute: false }, askController: { attribute: false } };

  declare controller: NodeController;
  declare askController: AskController;

  constructor() {
    super();
    new Watch(this, () => [this.controller, this.askController]);
  }

  protected override render(): TemplateResult {
    const { swarm, model, gaps } = this.controller.view;
    const ask = this.askController.state;
    const layout = layoutSwarm(swarm ?? [], model?.layerCount ?? 0);
    const sentence = swarmSentence(swarm, layout, gaps);
    const some = model !== undefined && layout.rows.length > 0;
    return html`<section class="panel" aria-labelledby="title">
      <div class="top">
        <h2 id="title">The swarm</h2>
        ${model === undefined ? nothing : html`<p class="small soft">${this.#modelWords(model)}</p>`}
      </div>
      ${
        some
          ? html`<p class="lead" role="status" data-testid="swarm-summary">${sentence}</p>
              <mh-swarm-map
                .layout=${layout}
                .gaps=${gaps}
                .hops=${ask.hops}
                ?running=${isRunning(ask)}
                .label=${`${sentence} The table below says the same.`}
              ></mh-swarm-map>
              ${this.#table(layout)}`
          : this.#empty(sentence, model?.layerCount ?? 8)
      }
    </section>`;
  }

  #modelWords(model: ModelOffer): string {
    return `${model.name}: ${model.layerCount} layers, ${formatBytes(model.sizeBytes)}, licence ${model.licence}`;
  }

  #empty(sentence: string, layers: number): TemplateResult {
    return html`<div class="empty">
      <div class="windows" aria-hidden="true">${Array.from({ length: Math.min(layers, 12) }, () => html`<i></i>`)}</div>
      <p role="status" data-testid="swarm-summary">${sentence}</p>
    </div>`;
  }

  #table(layout: SwarmLayout): TemplateResult {
    return html`<details>
      <summary>As a table</summary>
      <div class="scroll" tabindex="0" role="group" aria-label="Table of peers">
        <table>
          <thead>
            <tr>
              ${["Peer", "Layers", "Does", "Computes with", "A layer takes", "Sessions", "Tokens served", "Runs in a"].map((head) => html`<th scope="col">${head}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${layout.rows.map(
              (peer) =>
                html`<tr>
                  <th scope="row">
                    ${peerName(peer.peer)}${peer.isSelf ? " (you)" : ""} <span class="soft">…${peerTail(peer.peer)}</span>
                  </th>
                  <td>${peer.span === undefined ? "–" : formatLayers(peer.span)}</td>
                  <td>${peerDoes(peer)}</td>
                  <td>${peer.backend === "wasm" ? "WebAssembly" : "WebGPU"}</td>
                  <td>${peer.layerMs === undefined ? "–" : formatMs(peer.layerMs)}</td>
                  <td>${formatCount(peer.sessions)}</td>
                  <td>${formatCount(peer.tokensServed)}</td>
                  <td>${HOSTS[peer.host]}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>`;
  }
}
