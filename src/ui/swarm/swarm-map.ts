// The live picture of the swarm: layers along one axis, one row per peer, a lit window for each layer that it serves.
import { LitElement, css, html, nothing, svg, type SVGTemplateResult, type TemplateResult } from "lit";
import type { RouteHop, SwarmPeer } from "../../node/face.ts";
import type { Span } from "../../shared/ids.ts";
import { formatCount, formatLayers, spanKey } from "../parts/format.ts";
import { peerColour, peerName, peerTail } from "../../shared/peer-name.ts";
import { base } from "../parts/shared-styles.ts";
import { visibleRows, type SwarmLayout } from "./swarm-layout.ts";
import { mapGeometry, routePath, type MapGeometry } from "./swarm-geometry.ts";
import { peerDoes } from "./swarm-words.ts";

/** How many rows are drawn until the person wants to see all; the rest is counted. */
const ROWS_MAX = 14;
/** Seconds that the light takes to pass over all layers. */
const LAP_S = 1.6;

export class SwarmMap extends LitElement {
  static override styles = [
    base,
    css`
      svg {
        display: block;
        max-width: 100%;
        overflow: visible;
        color: var(--peer-ink);
        font: 0.875rem var(--sans);
      }
      text {
        fill: var(--ink);
      }
      .axis {
        fill: var(--soft);
        font-size: 0.8125rem;
        font-variant-numeric: tabular-nums;
      }
      .name {
        font-weight: 600;
      }
      .coverage .lit {
        fill: color-mix(in srgb, var(--lamp) var(--level), var(--card));
        stroke: var(--lamp-edge);
        stroke-width: 1.5;
      }
      .coverage .dark {
        fill: var(--card);
        stroke: var(--alert);
        stroke-width: 1.5;
        stroke-dasharray: 4 3;
      }
      .count,
      .none {
        font-size: 0.8125rem;
        font-weight: 600;
        font-variant-numeric: tabular-nums;
        fill: var(--peer-ink);
      }
      .none {
        fill: var(--alert);
      }
      .gap rect {
        fill: var(--alert-soft);
      }
      .pane {
        fill: var(--fill);
        stroke: var(--peer-edge);
        stroke-width: 1.5;
      }
      .loading .pane {
        fill: color-mix(in srgb, var(--fill) 38%, var(--card));
      }
      .hatch {
        opacity: 0.5;
        pointer-events: none;
      }
      .halo {
        fill: none;
        stroke: var(--ink);
        stroke-width: 2.5;
      }
      .pane.lit {
        stroke: var(--lamp-edge);
        animation: lamp 1.6s steps(4) infinite;
      }
      .route {
        fill: none;
        stroke: var(--ink);
        stroke-width: 2;
        stroke-dasharray: 1 6;
        stroke-linecap: round;
        pointer-events: none;
      }
      /* In steps, since each frame of an SVG animation is painted on the thread that passes hidden states on. */
      @keyframes lamp {
        0% {
          fill: #fff3cf;
        }
      }
      @media (prefers-reduced-motion: reduce) {
        .pane.lit {
          fill: #fff3cf;
        }
      }
      .more {
        margin-top: 8px;
        min-height: 40px;
        padding: 4px 0;
        border: 0;
        background: none;
        color: var(--link);
        font: inherit;
        text-decoration: underline;
        cursor: pointer;
      }
    `,
  ];
  static override properties = {
    layout: { attribute: false },
    gaps: { attribute: false },
    hops: { attribute: false },
    running: { type: Boolean },
    label: {},
    all: { state: true },
    width: { state: true },
  };

  declare layout: SwarmLayout;
  declare gaps: readonly Span[];
  /** The route of the latest answer; it is lit while `running`. */
  declare hops: readonly RouteHop[];
  declare running: boolean;
  /** The picture in words. */
  declare label: string;
  declare all: boolean;
  declare width: number;
  #resize: ResizeObserver | undefined;

  constructor() {
    super();
    this.hops = [];
    this.running = false;
    this.label = "";
    this.all = false;
    this.width = 640;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize = new ResizeObserver(([entry]) => {
      if (entry !== undefined) this.width = Math.max(240, Math.floor(entry.contentRect.width));
    });
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
  }

  protected override render(): TemplateResult {
    const route = new Set<string>(this.hops.map((hop) => hop.peer));
    const { shown, hidden } = visibleRows(this.layout.rows, this.all ? Number.POSITIVE_INFINITY : ROWS_MAX, route);
    const map = mapGeometry(this.width, this.layout.coverage.length, shown.length);
    return html`<svg width=${map.width} height=${map.height} viewBox="0 0 ${map.width} ${map.height}" role="img" aria-label=${this.label}>
        <defs>
          <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="2.5" height="7" fill="currentColor" />
          </pattern>
        </defs>
        ${this.gaps.map((gap) => this.#gapBand(map, gap))} ${this.#coverage(map)} ${shown.map((peer, row) => this.#row(map, peer, row))}
        ${this.running ? this.#light(map, shown) : nothing}
      </svg>
      ${hidden > 0 ? html`<button type="button" class="more" @click=${() => (this.all = true)}>Show ${formatCount(hidden)} more</button>` : nothing}`;
  }

  #gapBand(map: MapGeometry, gap: Span): SVGTemplateResult {
    const x = map.layerX(gap.start) - map.gutter / 2;
    return svg`<g class="gap" data-testid="swarm-gap" data-span=${spanKey(gap)}>
      <rect x=${x} y=${map.coverageY - 4} width=${map.layerX(gap.end) - map.gutter / 2 - x} height=${map.height - map.coverageY} rx="8" />
    </g>`;
  }

  #coverage(map: MapGeometry): SVGTemplateResult {
    const { coverage } = this.layout;
    const most = Math.max(1, ...coverage);
    const every = Math.ceil(22 / (map.cell + map.gutter));
    return svg`<g class="coverage">
      ${map.narrow ? nothing : svg`<text class="axis" x="0" y=${map.coverageY + 18}>Served by</text>`}
      ${coverage.map(
        (count, layer) => svg`
        ${layer % every === 0 ? svg`<text class="axis" x=${map.layerX(layer) + map.cell / 2} y="12" text-anchor="middle">${layer}</text>` : nothing}
        <rect class=${count === 0 ? "dark" : "lit"} x=${map.layerX(layer)} y=${map.coverageY} width=${map.cell} height="26" rx=${map.radius}
          style="--level: ${Math.round(45 + (55 * count) / most)}%"><title>Layer ${layer}: served by ${count === 0 ? "nobody" : count}</title></rect>
        ${map.cell >= 18 ? svg`<text class=${count === 0 ? "none" : "count"} x=${map.layerX(layer) + map.cell / 2} y=${map.coverageY + 18} text-anchor="middle">${count}</text>` : nothing}`,
      )}
    </g>`;
  }

  #row(map: MapGeometry, peer: SwarmPeer, row: number): SVGTemplateResult {
    const y = map.rowY(row);
    const inRoute = this.running ? this.hops.find((hop) => hop.peer === peer.peer) : undefined;
    const name = `${peerName(peer.peer)}${peer.isSelf ? " (you)" : ""}`;
    const panes =
      peer.span === undefined ? [] : Array.from({ length: peer.span.end - peer.span.start }, (_, i) => (peer.span?.start ?? 0) + i);
    return svg`<g class="peer ${peer.isSelf ? "self" : ""} ${peer.serving ? "serving" : "loading"}" data-testid="swarm-peer" data-peer=${peer.peer}
      data-span=${peer.span === undefined ? nothing : spanKey(peer.span)} data-serving=${peer.serving} data-self=${peer.isSelf} data-route=${inRoute !== undefined}
      style="--fill: var(--peer-${peerColour(peer.peer)})">
      <title>${name} …${peerTail(peer.peer)}: ${peer.span === undefined ? "" : `${formatLayers(peer.span)}, `}${peerDoes(peer)}</title>
      <text class="name" x="0" y=${map.narrow ? y + 12 : y + 20}>${name}</text>
      ${peer.span === undefined ? svg`<text class="axis" x=${map.left} y=${map.barY(row) + 18}>choosing layers</text>` : nothing}
      ${
        peer.isSelf && peer.span !== undefined
          ? svg`<rect class="halo" x=${map.layerX(peer.span.start) - 4} y=${map.barY(row) - 4} width=${map.spanWidth(peer.span) + 8} height=${map.bar + 8} rx="9" />`
          : nothing
      }
      ${panes.map((layer) => {
        const lit = inRoute !== undefined && layer >= inRoute.span.start && layer < inRoute.span.end;
        const box = { x: map.layerX(layer), y: map.barY(row) };
        return svg`<rect class="pane ${lit ? "lit" : ""}" x=${box.x} y=${box.y} width=${map.cell} height=${map.bar} rx=${map.radius}
            style="animation-delay: ${((layer / map.layers) * LAP_S).toFixed(2)}s" />
          ${peer.serving ? nothing : svg`<rect class="hatch" x=${box.x} y=${box.y} width=${map.cell} height=${map.bar} rx=${map.radius} fill="url(#hatch)" />`}`;
      })}
      <text class="axis meta" x=${map.width} y=${map.narrow ? y + 12 : y + 20} text-anchor="end">${this.#meta(peer)}</text>
    </g>`;
  }

  #meta(peer: SwarmPeer): string {
    if (peer.span !== undefined && !peer.serving) return "loading";
    if (peer.span === undefined) return "";
    return `${formatCount(peer.tokensServed)} tokens`;
  }

  #light(map: MapGeometry, shown: readonly SwarmPeer[]): SVGTemplateResult {
    const path = routePath(map, this.hops, (peer) => shown.findIndex((row) => row.peer === peer));
    if (path === "") return svg``;
    return svg`<path class="route" d=${path} />`;
  }
}
