// The route of an answer, drawn as a chain: one link for each peer and its layers, in order.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { RouteHop } from "../../node/face.ts";
import { formatLayers, formatMs, spanKey } from "../parts/format.ts";
import { peerColour, peerName, peerTail } from "../../shared/peer-name.ts";
import { base } from "../parts/shared-styles.ts";

export class RouteChain extends LitElement {
  static override styles = [
    base,
    css`
      h3 {
        font-size: 0.875rem;
        font-weight: 600;
        color: var(--soft);
        margin-bottom: 8px;
      }
      ol {
        display: flex;
        flex-wrap: wrap;
        gap: 10px 0;
      }
      li {
        display: flex;
        align-items: center;
        min-width: 0;
      }
      li + li::before {
        content: "";
        flex: none;
        width: 22px;
        height: 2px;
        background: repeating-linear-gradient(90deg, var(--lamp-edge) 0 6px, transparent 6px 11px);
      }
      .running li + li::before {
        animation: pass 0.8s steps(4) infinite;
      }
      .hop {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0 10px;
        align-items: center;
        min-width: 0;
        padding: 7px 14px 7px 10px;
        border: 1px solid var(--edge);
        border-radius: 14px;
        background: var(--sunk);
        line-height: 1.35;
      }
      .hop.self {
        border-color: var(--lamp-edge);
        background: var(--lamp-soft);
      }
      .bead {
        grid-row: span 2;
        width: 14px;
        height: 30px;
        border-radius: 5px;
        border: 1.5px solid var(--peer-edge);
      }
      .name {
        font-weight: 600;
        font-size: 0.9375rem;
        white-space: nowrap;
      }
      .you {
        font-weight: 600;
        font-size: 0.75rem;
        padding: 0 7px;
        border-radius: 99px;
        background: var(--lamp);
        color: var(--peer-ink);
      }
      .what {
        font-size: 0.8125rem;
        color: var(--soft);
      }
      @keyframes pass {
        from {
          background-position-x: 0;
        }
        to {
          background-position-x: 11px;
        }
      }
    `,
  ];
  static override properties = { hops: { attribute: false }, running: { type: Boolean } };

  declare hops: readonly RouteHop[];
  declare running: boolean;

  constructor() {
    super();
    this.hops = [];
    this.running = false;
  }

  protected override render(): TemplateResult | typeof nothing {
    if (this.hops.length === 0) return nothing;
    const all = this.hops.reduce((sum, hop) => sum + hop.computeMs, 0);
    return html`<h3 id="route">
        ${this.hops.length === 1 ? "The route: one tab" : `The route: ${this.hops.length} tabs in turn`}${all > 0 ? `, ${formatMs(all)} of computing per token in all` : ""}
      </h3>
      <ol data-testid="ask-route" class=${this.running ? "running" : ""} aria-labelledby="route">
        ${this.hops.map(
          (hop) =>
            html`<li data-peer=${hop.peer} data-span=${spanKey(hop.span)} data-compute-ms=${hop.computeMs}>
              <div
                class="hop ${hop.isSelf ? "self" : ""}"
                title="Peer …${peerTail(hop.peer)}${hop.computeMs > 0 ? `: ${formatMs(hop.computeMs)} of computing per token` : ""}"
              >
                <span class="bead" aria-hidden="true" style="background: var(--peer-${peerColour(hop.peer)})"></span>
                <span class="name">${peerName(hop.peer)} ${hop.isSelf ? html`<span class="you">you</span>` : nothing}</span>
                <span class="what figure">${formatLayers(hop.span)}${hop.computeMs > 0 ? ` · ${formatMs(hop.computeMs)}` : ""}</span>
              </div>
            </li>`,
        )}
      </ol>`;
  }
}
